"""The pages, a folder each: ``spec.py`` says what the page is, the other modules hold what its script draws."""
