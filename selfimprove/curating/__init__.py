"""What a library of problems grows by: what is missing, what is copied, what is right, what is there already.

Here are the rules; `graphs/curate.py` wires them into rounds, and `growth/` runs a curation of many from its settings.

rows      -> an order, a candidate, its ruling, an admitted and a rejected one
orders    -> the largest deficits, and whose seeds they are grown from
reading   -> problems in a generator's reply, and whether they have the form that was asked for
trust     -> how likely an answer is right, from the votes of solvers that are sometimes wrong
reliability -> how right solvers are, learned from their votes
near      -> what is there already, word for word or nearly
diversity -> whether later generations still say something new
yields    -> what became of the candidates of each sub-type and generation
"""
