"""Exporting the best student of a campaign: the adapter or the merged model, with a card that says what it is.

card     -> the model card, from the campaign's own figures
base     -> the base's name and licence
merging  -> the merged model, checked against what the campaign measured
exported -> the files
"""
