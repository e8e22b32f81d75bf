"""How good the answers of every task are on public data whose right answers are known."""
