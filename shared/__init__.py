"""What both doors need: the domain, the store, dispatch, settings and logs. Knows neither door."""
