"""Several predictors put together by what they prove out of fold."""
