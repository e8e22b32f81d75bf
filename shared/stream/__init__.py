"""Reading a table's change stream once, in order, by any number of tasks. Knows no tickets."""
