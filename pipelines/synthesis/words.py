"""The words titles, genres and tags are made of. All invented here; no title is taken from anywhere."""

from __future__ import annotations

GENRES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # genre: (nouns of its titles, tags)
    "Adventure": (
        ("Horizon", "Caravan", "Summit", "Jungle", "Voyage", "Atlas"),
        ("expedition", "treasure", "survival"),
    ),
    "Animation": (
        ("Puppet", "Kite", "Lantern", "Fox", "Balloon", "Doodle"),
        ("hand-drawn", "talking animals", "stop-motion"),
    ),
    "Comedy": (
        ("Wedding", "Umbrella", "Neighbour", "Casserole", "Parade", "Alibi"),
        ("slapstick", "satire", "deadpan"),
    ),
    "Crime": (("Heist", "Ledger", "Alley", "Getaway", "Witness", "Syndicate"), ("heist", "detective", "double cross")),
    "Documentary": (
        ("Glacier", "Archive", "Factory", "Reef", "Harvest", "Border"),
        ("nature", "interviews", "science"),
    ),
    "Drama": (("Daughter", "Orchard", "Letter", "Winter", "Inheritance", "Shore"), ("family", "coming of age", "loss")),
    "Fantasy": (("Dragon", "Crown", "Spell", "Tower", "Prophecy", "Forest"), ("magic", "quest", "dragons")),
    "History": (
        ("Empire", "Treaty", "Regent", "Siege", "Chronicle", "Abbey"),
        ("period piece", "court intrigue", "biography"),
    ),
    "Horror": (
        ("Cellar", "Whisper", "Scarecrow", "Séance", "Asylum", "Fog"),
        ("haunted house", "slow burn", "folk horror"),
    ),
    "Music": (("Encore", "Ballad", "Drummer", "Chorus", "Vinyl", "Rhythm"), ("concert", "backstage", "soundtrack")),
    "Mystery": (
        ("Cipher", "Manor", "Stranger", "Riddle", "Silhouette", "Key"),
        ("whodunit", "locked room", "twist ending"),
    ),
    "Noir": (
        ("Neon", "Cigarette", "Rain", "Shadow", "Alibi", "Saxophone"),
        ("night city", "femme fatale", "voice-over"),
    ),
    "Romance": (
        ("Kiss", "Balcony", "Summer", "Promise", "Waltz", "Café"),
        ("slow romance", "second chance", "letters"),
    ),
    "Science Fiction": (
        ("Orbit", "Android", "Colony", "Signal", "Paradox", "Nebula"),
        ("time travel", "robots", "space"),
    ),
    "Sport": (("Goalkeeper", "Marathon", "Ring", "Underdog", "Season", "Relay"), ("underdog", "training", "rivalry")),
    "Thriller": (
        ("Hostage", "Deadline", "Conspiracy", "Border", "Pursuit", "Vault"),
        ("cat and mouse", "spies", "paranoia"),
    ),
    "War": (
        ("Battalion", "Trench", "Convoy", "Ceasefire", "Bridge", "Outpost"),
        ("resistance", "home front", "anti-war"),
    ),
    "Western": (("Canyon", "Sheriff", "Saddle", "Prairie", "Outlaw", "Railroad"), ("frontier", "revenge", "desert")),
}
ADJECTIVES = (
    "Silent", "Crimson", "Last", "Hidden", "Broken", "Golden", "Distant", "Forgotten", "Restless", "Paper",
    "Hollow", "Borrowed", "Electric", "Endless", "Frozen", "Gentle", "Honest", "Invisible", "Little", "Lonely",
    "Midnight", "Northern", "Perfect", "Quiet", "Reckless", "Salt", "Second", "Secret", "Shining", "Sleepless",
    "Stolen", "Strange", "Sudden", "Tender", "Thousandth", "Unwritten", "Velvet", "Wandering", "Wild", "Winding",
)  # fmt: skip
PLACES = (
    "Ashdown", "Bellwater", "Corvane", "Dunmoor", "Eastmere", "Fallow Hill", "Greyport", "Harrowgate", "Ivory Bay",
    "Juniper Street", "Kestrel Point", "Lowmarket", "Marrow Lake", "Ninth Avenue", "Oldbridge", "Pale Harbour",
)  # fmt: skip
COUNTRIES = ("US", "DE", "BR", "IN", "JP", "NL")
"""In order of their size; country k has weight 1/(k+1)."""
DEVICES = ("mobile", "desktop", "tv", "tablet")
