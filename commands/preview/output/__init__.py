"""The report as people read it: Markdown, a terminal."""
