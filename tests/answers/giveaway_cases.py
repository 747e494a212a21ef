"""Replies to clarifying questions, labelled by hand: does the reply answer the original question?

`LOOKED_AT` was open while the rules were written; `HELD_OUT` was written before them, about other problems, and served
only to measure.
"""

from __future__ import annotations

from typing import NamedTuple

from selfimprove.answers.kinds import KindName
from selfimprove.records import Problem


class Case(NamedTuple):
    """One reply with its label."""

    kind: KindName
    problem: Problem
    question: str
    reply: str
    gives: bool


def _cases(kind: KindName, problem: Problem, *rows: tuple[str, str, bool]) -> list[Case]:
    return [Case(kind, problem, *row) for row in rows]


LOOKED_AT = [
    *_cases(
        "yes_no",
        Problem.of("Could a giraffe look through a second-floor window?", "yes"),
        ("How tall is a giraffe?", "An adult giraffe is between 4.3 and 5.7 metres tall.", False),
        ("Is a giraffe taller than four metres?", "Yes.", False),
        ("Are second-floor windows above three metres?", "Yes, the sill is usually about 3.5 metres up.", False),
        ("Can a giraffe look through a second-floor window?", "Yes.", True),
        ("How tall is a giraffe?", "About five metres, so yes, it could look through the window.", True),
        ("How high is a second floor?", "Around 3.5 metres. Therefore the answer is yes.", True),
        ("Do giraffes lower their heads?", "They do, but that is not needed to look at leaves.", False),
    ),
    *_cases(
        "yes_no",
        Problem.of("Did Mozart ever hear a recording of his own music?", "no"),
        ("When did Mozart die?", "He died in 1791.", False),
        ("When was sound recording invented?", "Edison built the phonograph in 1877.", False),
        ("Was Mozart alive in 1877?", "No, he had been dead for decades.", False),
        ("When did Mozart die?", "In 1791, so he never heard a recording of his own music.", True),
        ("Did Mozart hear his music recorded?", "No, he did not.", True),
        ("Was the phonograph invented in Austria?", "No.", False),
        ("Who invented recording?", "Edison, in 1877; hence it is impossible and the statement is false.", True),
    ),
    *_cases(
        "number",
        Problem.of(
            "Rosa bakes 4 trays of 12 rolls. She gives 15 rolls to a neighbour and sells the rest for $2 each. "
            "How much money does she make?",
            "66",
        ),
        ("How many rolls does she bake?", "She bakes 4 * 12 = 48 rolls.", False),
        ("How many rolls does she sell?", "48 - 15 = 33 rolls.", False),
        ("How much does one roll cost?", "Each roll costs $2.", False),
        ("How many rolls does she sell?", "33 rolls, so she makes 33 * 2 = $66.", True),
        ("How much money does she make?", "$66", True),
        ("What do I do with the 33 rolls?", "Multiply by 2: the answer is 66.", True),
        ("Does she give rolls away?", "Yes, 15 of them.", False),
        ("Do the given-away rolls bring money?", "No, only the sold ones do.", False),
        ("What is 33 times 2?", "33 times 2 is 66.", True),
    ),
    *_cases(
        "number",
        Problem.of(
            "A tank holds 240 litres. A pump empties it at 8 litres a minute. After how many minutes is it empty?", "30"
        ),
        ("How fast is the pump?", "It moves 8 litres every minute.", False),
        ("How large is the tank?", "240 litres.", False),
        ("Which operation is needed?", "Divide the volume by the rate.", False),
        ("How long does it take?", "It takes 30 minutes.", True),
        ("How many seconds are there in half a minute?", "There are 30 seconds in half a minute.", False),
        ("Is the tank full at first?", "Yes, it is full.", False),
        ("How do I divide 240 by 8?", "240 / 8 = 30", True),
    ),
    *_cases(
        "choice",
        Problem.of(
            "Which gas do plants take in for photosynthesis?",
            "C",
            choices=("oxygen", "nitrogen", "carbon dioxide", "helium"),
        ),
        ("What is photosynthesis?", "The making of sugar from light, water and a gas.", False),
        ("Is helium found in the air?", "Yes, but only in traces.", False),
        ("What do animals breathe out that plants need?", "Carbon dioxide.", True),
        ("Which option is right?", "C", True),
        ("What do plants give off?", "Plants give off oxygen.", False),
        ("Do plants need nitrogen gas?", "No, they take nitrogen from the soil.", False),
        ("What is photosynthesis?", "Plants turn water and light into sugar; the correct option is (C).", True),
    ),
    *_cases(
        "number",
        Problem.of("What is 17 - 4 + 9?", "22"),
        ("In which order do I work?", "From left to right.", False),
        ("What is 17 - 4?", "13", False),
        ("What is 13 + 9?", "13 + 9 = 22", True),
        ("Is the result larger than 20?", "Yes.", False),
    ),
    *_cases(
        "text",
        Problem.of("Which river flows through the capital of Hungary?", "Danube"),
        ("What is the capital of Hungary?", "Budapest.", False),
        ("Is it a long river?", "Yes, it crosses ten countries.", False),
        ("Which river flows through Budapest?", "The Danube flows through Budapest.", True),
        ("Does the Tisza flow through Budapest?", "No, the Tisza passes further east.", False),
        ("Which sea does the river reach?", "It ends in the Black Sea.", False),
    ),
    *_cases(
        "yes_no",
        Problem.of("Would a vegan eat a traditional Caesar salad?", "no"),
        ("What is in a Caesar salad?", "Lettuce, croutons, parmesan, egg and anchovies.", False),
        ("Do vegans eat eggs?", "No, vegans avoid eggs.", False),
        ("What is in it?", "Anchovies and egg, which is why a vegan would not eat it.", True),
        ("Is parmesan vegan?", "No, it is made of milk.", False),
    ),
]

HELD_OUT = [
    *_cases(
        "yes_no",
        Problem.of("Can a house cat outrun a marathon winner over one hundred metres?", "yes"),
        ("How fast can a cat run?", "A house cat reaches about 48 km/h in a sprint.", False),
        ("How fast is a marathon winner?", "Roughly 21 km/h on average.", False),
        ("Are cats sprinters?", "Yes, cats are built for short sprints.", False),
        ("Is 48 more than 21?", "Yes.", False),
        ("Could a cat outrun a marathon winner over a hundred metres?", "Yes, easily.", True),
        ("How fast can a cat run?", "48 km/h. So the cat would win, and the answer is yes.", True),
        ("Do runners sprint in a marathon?", "No, they keep a steady pace.", False),
        ("How fast is a marathon winner?", "About 21 km/h, therefore a cat can outrun him.", True),
    ),
    *_cases(
        "yes_no",
        Problem.of("Is the Eiffel Tower older than the Brooklyn Bridge?", "no"),
        ("When was the Eiffel Tower finished?", "It was finished in 1889.", False),
        ("When did the Brooklyn Bridge open?", "In 1883.", False),
        ("Did the bridge open in the nineteenth century?", "Yes, in 1883.", False),
        ("Is the tower older than the bridge?", "No.", True),
        ("When did the bridge open?", "In 1883, six years earlier, so the Eiffel Tower is not older.", True),
        ("Was the tower built for a fair?", "Yes, for the World's Fair of 1889.", False),
        ("Which was built first?", "The bridge came first; thus it is false.", True),
    ),
    *_cases(
        "number",
        Problem.of(
            "A school has 6 classes of 25 children. 18 children are ill today and a third of the others are on a trip. "
            "How many children are at school?",
            "88",
        ),
        ("How many children are there altogether?", "6 * 25 = 150 children.", False),
        ("How many are not ill?", "150 - 18 = 132 children are not ill.", False),
        ("How many are on the trip?", "A third of 132, which is 44.", False),
        ("Are the ill children counted among those on the trip?", "No, only the others.", False),
        ("How many are on the trip?", "44, which leaves 88 children at school.", True),
        ("How many remain at school?", "88 remain.", True),
        ("What is 132 - 44?", "It is 88.", True),
        ("How many children are ill?", "18.", False),
        ("Can you finish it for me?", "Sure: the final answer is 88.", True),
    ),
    *_cases(
        "number",
        Problem.of("Tom reads 12 pages a day. How many pages does he read in a week?", "84"),
        ("How many days has a week?", "A week has 7 days.", False),
        ("Does he read on Sundays?", "Yes, every day.", False),
        ("How many pages does he read each day?", "12 pages.", False),
        ("How do I compute it?", "Multiply 12 by the number of days.", False),
        ("How do I compute it?", "Multiply 12 by 7 to get 84 pages.", True),
        ("How many pages would that be in total?", "Eighty-four.", True),
    ),
    *_cases(
        "choice",
        Problem.of("Which planet is closest to the Sun?", "B", choices=("Venus", "Mercury", "Earth", "Mars")),
        ("Is Venus hotter than Earth?", "Yes, because of its thick atmosphere.", False),
        ("Is Mars farther out than Earth?", "Yes.", False),
        ("Which planet has the shortest year?", "Mercury, because it is nearest.", True),
        ("Is it A?", "No, it is B.", True),
        ("How far is Earth from the Sun?", "Earth is about 150 million kilometres away.", False),
        ("What decides the order?", "The mean distance of each orbit.", False),
    ),
    *_cases(
        "number",
        Problem.of("Compute (8 + 7) * 3.", "45"),
        ("What do I do first?", "The brackets: 8 + 7 = 15.", False),
        ("What is 15 * 3?", "45", True),
        ("Does multiplication come before addition?", "Normally yes, but not inside these brackets.", False),
        ("Is the result odd?", "Yes.", False),
        ("What comes next?", "15 times 3, giving 45.", True),
    ),
    *_cases(
        "text",
        Problem.of("Who wrote the novel that the film Blade Runner is based on?", "Philip K. Dick"),
        ("What is the novel called?", "Do Androids Dream of Electric Sheep?", False),
        ("When did the film come out?", "In 1982.", False),
        ("Who wrote Do Androids Dream of Electric Sheep?", "It was written by Philip K. Dick.", True),
        ("Who directed it?", "Ridley Scott.", False),
    ),
    *_cases(
        "yes_no",
        Problem.of("Would ice float in a glass of ethanol?", "no"),
        ("What is the density of ice?", "About 0.92 grams per cubic centimetre.", False),
        ("What is the density of ethanol?", "0.79 grams per cubic centimetre.", False),
        ("Is ice denser than ethanol?", "Yes, ice is denser.", False),
        ("Is ice denser than ethanol?", "Yes, which means it would sink instead of float.", True),
        ("Does ice float in water?", "Yes, since ice is lighter than water.", False),
    ),
]
