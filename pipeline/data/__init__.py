"""From a folder of photographs and its cache to classes, parts, splits and rows."""
