"""The playground: one page that the server and an exported folder share."""
