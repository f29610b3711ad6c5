"""From a dataset's folders and tables to rows: layouts, csv files, cells, and their faults."""
