"""Parts of `genesis predict`: probabilities row by row, mirroring, cleaning, and the files written."""
