"""Several predictors put together by what they prove out of fold; and whoever predicts, as one kind of thing."""
