"""Exporting a student of a campaign: the adapter or the merged model, with a card that says what it is.

chosen   -> which adapter: the best, another of the campaign's, or one combined of those
base     -> the base's name and licence
card     -> the model card, from the campaign's own figures
merging  -> the merged model, checked against what was measured
exported -> the files
"""
