"""Where tickets, people, access and what happened are kept: the promises, and DynamoDB behind them."""
