"""Pictures and text from finished data; nothing is measured, calculated or judged here."""
