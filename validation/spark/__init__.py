"""Where the data is on Spark, the checks go there: nothing is collected but counts and the rows that are shown."""
