"""Tables larger than memory: what is learned of them in one pass, and their codes in a file, read in windows."""
