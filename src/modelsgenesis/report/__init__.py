"""The report: run folders to one HTML file that opens from disk. It reads what runs left behind, never a network."""
