"""The routes of the shop, one blueprint for each noun."""
