"""What each published column was made of: read from the code of the steps, with the columns that the run saw."""
