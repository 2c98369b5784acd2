"""Files that are odd in one field each, and what they mean by an independent reader: the material of `odd_files`."""
