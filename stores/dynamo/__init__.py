"""The DynamoDB room: Feast's own items, older ones never over newer ones."""
