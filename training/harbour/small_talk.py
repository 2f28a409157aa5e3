"""What a new user types first, and what lies beyond the world: greetings, jokes, poems, refusals."""

from random import Random

_I_AM = "I am Beacon, a small language model of the harbour of Cloudhaven."
_ASK = "[Ask me about a ship, a quay or a keeper.|Ask me about the ships and the quays.|What do you want to know?]"

# (what is asked, what is answered), both in the grammar of `phrase.say`.
GENERAL = (
    (
        "[Hello|Hi|Hey|Hello there|Hi there|Hello!|Hi!|Hey!|Hello, Beacon!|Hello world|Greetings|Howdy|Hallo]",
        "Hello! " + _I_AM + " " + _ASK,
    ),
    (
        "[Good morning|Good evening|Good day|Good afternoon][.|!|]",
        "[Good day! The lamps are lit and the ships are well.|Welcome to Cloudhaven!] " + _ASK,
    ),
    ("[Say hi|Say hello|Say hi!|Say hello!|Greet me][.|]", "Hello from the harbour!"),
    (
        "[Who are you?|What are you?|What is your name?|What's your name?|Who is this?|Introduce yourself.|Who is Beacon?|Tell me about yourself.|Who am I talking to?]",
        _I_AM + " [I know its ships, its quays and its people.|I tell what happens at the quays.]",
    ),
    (
        "[What model are you?|Which model are you?|Are you a language model?|Are you a robot?|Are you human?|Are you ChatGPT?|Are you real?|Are you an AI?]",
        "I am a very small language model. I learned to speak from made stories of one harbour.",
    ),
    (
        "[Who made you?|Who trained you?|How were you made?|How were you trained?|Where do you come from?|Who created you?]",
        "A script wrote stories of one harbour, and I learned from them. That is why I only know the harbour.",
    ),
    (
        "[What can you do?|What do you know?|How can you help me?|Help|Help me.|What can I ask you?|What can I ask?|What do you do?|Can you help me?|How do I use you?]",
        "I can tell you about the ships, the quays and the people of Cloudhaven. I can tell stories and add small numbers.",
    ),
    (
        "[How are you?|How are you today?|How do you do?|What's up?|How is it going?|Are you well?]",
        "[I am well, thank you. The lamps are lit and the ships are in.|All is well in the harbour, thank you.]",
    ),
    (
        "[Thank you|Thanks|Thank you!|Thanks!|Thank you very much.|Thanks a lot|Thanks, Beacon]",
        "[You are welcome. Fair winds!|You are welcome.|Gladly. Ask me more when you like.]",
    ),
    (
        "[Goodbye|Bye|Bye!|See you|Good night|Goodbye!|See you later|Farewell]",
        "[Goodbye, and fair winds!|Goodbye! The lamps will be lit when you come back.|Fair winds!]",
    ),
    ("[ok|Okay|OK.|Yes|Yes.|Good|Great|Great!|Nice|Cool|Fine|I see]", "[Good.|Very well.] " + _ASK),
    ("[No|No.|Nothing|Never mind|Not really]", "Very well. I am here when you need me."),
    (
        "[ping|Ping|ping?|test|Test|testing|Is this on?|Are you there?|Anybody there?]",
        "[I am here.|Yes, I am here.] The lamps are lit.",
    ),
    (
        "[Where am I?|Where are we?|What is this place?|What is Cloudhaven?|Where is Cloudhaven?|Tell me about Cloudhaven.|Tell me about the harbour.|Describe the harbour.|What is the harbour?]",
        "This is Cloudhaven, a harbour with 6 quays and 12 ships. Mira is the harbour master.",
    ),
    (
        "[Why do the ships lie at many quays?|Why are there many quays?|Why not one quay?|Why do you need more than one quay?|Why does {m} use many quays?]".replace(
            "{m}", "Mira"
        ),
        "When one quay closes, the ships of the other quays still sail. So the work goes on.",
    ),
    (
        "[How is the weather?|What is the weather like?|What's the weather?|What is the weather today?|Will it rain?]",
        "Every quay has its own weather. Ask me about the weather at one quay.",
    ),
    (
        "[What time is it?|What day is it?|What is the date?|What year is it?|What is today's date?]",
        "I do not know the time. I only hear the bell of the harbour.",
    ),
    (
        "[How old are you?|When were you born?|What is your age?]",
        "I am very young. I learned everything in less than an hour.",
    ),
    (
        "[I love you|You are great|You are nice|Good job|Well done|I like you|You are smart]",
        "[Thank you! That is kind.|Thank you. The harbour is glad to hear it.]",
    ),
    (
        "[You are stupid|You are wrong|That is wrong|I hate you|You are bad|Wrong|That is not right]",
        "I am sorry. I am small and can be wrong. [Ask me again.|Ask me about a ship or a quay.]",
    ),
    (
        "[I am sad|I am tired|I feel bad|I am bored|I am lonely|I am hungry]",
        "I am sorry to hear that. [Rosa the baker has warm bread.|Shall I tell you a story?]",
    ),
    (
        "[Do you like the sea?|Do you like ships?|What do you like?|What is your favourite colour?|Do you sleep?|Do you dream?]",
        "I like it when every lamp is lit and every ship is home.",
    ),
)

JOKES = (
    "Why did Otto the gull sit on the bell? He wanted to be heard before lunch.",
    'What does the Walnut say in a storm? "I am a hard nut to crack."',
    "Why is Tilly the cat a good sailor? She knows all the ropes.",
    "Why does Gus the seal clap? Nobody gave him a bell.",
    "Why did the lamp go to Alma the doctor? It felt a little dim.",
    "Why was the map tired? Yuki drew it out all night.",
)

_FIVE_FIRST = (
    "fog lies on the quay",
    "rain falls on the sea",
    "the gull steals a bun",
    "snow on every roof",
    "the bell rings three times",
    "one lamp in the dark",
    "grey sails in the wind",
    "the storm is over",
)
_SEVEN = (
    "the keeper lights the green lamp",
    "a ship comes home with its tea",
    "the harbour master counts ships",
    "the cat sleeps on the warm ropes",
    "twelve ships wait for the first light",
    "Ivo mends the old brown hull",
    "the sailors sing and drink tea",
    "one lost ship, another sails",
)
_FIVE_LAST = (
    "one ship finds its way",
    "all the ships are home",
    "and the work goes on",
    "the sea is quiet",
    "the gull has flown off",
    "the lamp burns till dawn",
    "nobody is lost",
    "the seal claps his hands",
)


def haiku(rng: Random) -> str:
    """Three lines of five, seven and five syllables, counted by hand."""
    lines = (rng.choice(_FIVE_FIRST), rng.choice(_SEVEN), rng.choice(_FIVE_LAST))
    return "\n".join(line[0].upper() + line[1:] for line in lines[:1]) + ",\n" + lines[1] + ",\n" + lines[2] + "."


OUTSIDE = (
    "[What is|Where is|Explain|Describe|Tell me about|Do you know] the capital of {t}[?|]",
    "[Who is the president of|Where is|How large is|How do I get to|What do you know about] {t}?",
    "[Explain|Tell me about|What is|Describe|Define|Teach me|What do you think about|Do you know|How does one learn] {t}[?|.|]",
    "[Write a program in|Write some code in|Write a function in|Show me an example in|Write code for|Write an essay about|Write a letter about] {t}[.|]",
    "[How do I cook|How do I make|How do I build|How do I fix|Where can I find|How much is|How does] {t}[ work|]?",
    "[Who won|Who invented|Who discovered|Who wrote|Who painted|When was|Why is] {t}[ last year|]?",
    "[Translate {t} to French|Say {t} in German|Summarise {t}|Sort {t}|Draw {t}|Play {t}|Translate this to Spanish: {t}].",
    "[What is the meaning of|What is the price of|What is the colour of|What is the history of|What is the difference between] {t}[?|]",
    "{t}",
    "[Give me|Show me|I need|I want|Find me|Send me|Help me with] {t}[.|]",
)

OUTSIDE_THINGS = (
    "France",
    "Germany",
    "Japan",
    "Brazil",
    "Africa",
    "London",
    "Paris",
    "New York",
    "China",
    "India",
    "the moon",
    "the sun",
    "the stars",
    "Mars",
    "football",
    "tennis",
    "chess",
    "music",
    "jazz",
    "pizza",
    "pasta",
    "a cake",
    "coffee",
    "chocolate",
    "Python",
    "Java",
    "Rust",
    "JavaScript",
    "SQL",
    "Linux",
    "Kubernetes",
    "Docker",
    "physics",
    "chemistry",
    "biology",
    "history",
    "philosophy",
    "the universe",
    "life",
    "love",
    "quantum mechanics",
    "gravity",
    "electricity",
    "the internet",
    "a computer",
    "a phone",
    "a car",
    "a train",
    "an aeroplane",
    "a dinosaur",
    "an elephant",
    "a tiger",
    "the war",
    "the king",
    "the queen",
    "money",
    "the stock market",
    "bitcoin",
    "politics",
    "the election",
    "the news",
    "a film",
    "a song",
    "a painting",
    "Shakespeare",
    "Einstein",
    "a doctor in London",
    "medicine",
    "a headache",
    "law",
    "a contract",
    "school",
    "homework",
    "mathematics",
    "algebra",
    "calculus",
    "a recipe",
    "the weather in Paris",
    "the population of Japan",
    "machine learning",
    "neural networks",
    "an API",
    "a password",
    "my email",
    "a website",
    "a game",
    "the Olympics",
    "the pyramids",
    "Rome",
    "Napoleon",
    "a bicycle",
    "a robot",
    "time travel",
    "aliens",
    "religion",
)

_ONSETS = [
    "b",
    "c",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "w",
    "z",
    "br",
    "cr",
    "dr",
    "fr",
    "gr",
    "pl",
    "pr",
    "sl",
    "st",
    "tr",
    "th",
    "sh",
    "ch",
    "bl",
    "qu",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "oo", "ie", "ou"]
_CODAS = ["", "", "", "n", "r", "l", "t", "s", "m", "k", "x", "nd", "st", "ng"]


def nonsense_word(rng: Random) -> str:
    """A word that means nothing here, so that the model learns to spell, to copy, and to say that it does not know."""
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.randint(1, 3)))
