"""The .pomdp format of Cassandra: text to a Model and back."""
