"""The live query over columns: filter, search, sort and page. Pure."""
