"""Files for people: tables, pictures' fonts, and what may be overwritten."""
