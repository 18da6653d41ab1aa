"""Pictures and pages from a finished journal; nothing is measured or judged here."""
