"""The voices: which there are, where their speech comes from, which are held out.

Synthetic voices come from Debian's flite, festival and espeak-ng; human ones from recordings that
Debian's main archive has for telephone prompts and children's programs.  One `Voice` is one person
or one synthetic speaker, whatever language or file its speech is in.
"""

from typing import NamedTuple

# espeak-ng's variants, each of them one voice; they speak these languages in turns, so that
# neither accent nor text tells one from another.
ESPEAK_LANGUAGES = "en-us de es it fr pl nl fi pt hu tr id sw ro".split()
ESPEAK_MALE = (
    "m1 m2 m3 m4 m5 m6 m7 m8 adam benjamin max Andy Michael Alex Denis Gene Hugo Lee Marco iven"
    " john norbert pablo pedro quincy rob travis zac"
).split()
ESPEAK_FEMALE = "f1 f2 f3 f4 f5 linda steph Alicia Andrea Annie anika aunty belinda steph3".split()

# name: (festival's voice, gender, language, script)
FESTIVAL = {
    "kal": ("kal_diphone", "m", "en", "latin"),
    "ked": ("ked_diphone", "m", "en", "latin"),
    "slt-hts": ("cmu_us_slt_arctic_hts", "f", "en", "latin"),
    "ona-hts": ("upc_ca_ona_hts", "f", "ca", "latin"),
    "dita": ("czech_dita", "f", "cs", "latin"),
    "krb": ("czech_krb", "child", "cs", "latin"),
    "machac": ("czech_machac", "m", "cs", "latin"),
    "ph": ("czech_ph", "m", "cs", "latin"),
    "lj": ("suo_fi_lj_diphone", "f", "fi", "latin"),
    "mv": ("hy_fi_mv_diphone", "m", "fi", "latin"),
    "lp": ("lp_diphone", "f", "it", "latin"),
    "pc": ("pc_diphone", "m", "it", "latin"),
    "nsk": ("hindi_NSK_diphone", "m", "hi", "devanagari"),
    "nsh": ("msu_ru_nsh_clunits", "m", "ru", "cyrillic"),
}
FLITE = {"awb": "m", "rms": "m", "slt": "f"}

# name: (package, glob below /usr/share, gender if the package says it, language)
RECORDED = {
    "allison": ("asterisk-core-sounds-en-g722", "asterisk/sounds/en_US_f_Allison/**/*", "f", "en"),
    "june": ("asterisk-core-sounds-fr-g722", "asterisk/sounds/fr_CA_f_June/**/*", "f", "fr"),
    "carlo": ("asterisk-core-sounds-it-g722", "asterisk/sounds/it_IT_m_Carlo/**/*", "m", "it"),
    "ivrvoice": (
        "asterisk-core-sounds-ru-g722",
        "asterisk/sounds/ru_RU_f_IvrvoiceRU/**/*",
        "f",
        "ru",
    ),
    "jimenez": ("asterisk-prompt-es-co", "asterisk/sounds/es/**/*", "f", "es"),
    "armelle": ("asterisk-prompt-fr-armelle", "asterisk/sounds/fr/**/*", "f", "fr"),
    "menardi": (
        "asterisk-prompt-it-menardi-wav",
        "asterisk/sounds/it_IT_f_Menardi/**/*",
        "f",
        "it",
    ),
    "fillets-cs-big": ("fillets-ng-data-cs", "games/fillets-ng/sound/**/cs/*-v-*", "m", "cs"),
    "fillets-cs-small": ("fillets-ng-data-cs", "games/fillets-ng/sound/**/cs/*-m-*", "f", "cs"),
    "fillets-nl-big": ("fillets-ng-data-nl", "games/fillets-ng/sound/**/nl/*-v-*", "m", "nl"),
    "fillets-nl-small": ("fillets-ng-data-nl", "games/fillets-ng/sound/**/nl/*-m-*", "f", "nl"),
    "gcin-3": ("gcin-voice", "gcin-voice/ogg/*/3.ogg", "", "zh"),
    "gcin-5": ("gcin-voice", "gcin-voice/ogg/*/5.ogg", "", "zh"),
}
RECORDED |= {
    f"hedgewars-{name}": (
        "hedgewars-data",
        f"games/hedgewars/Data/Sounds/voices/{name}/*",
        "",
        language,
    )
    for name, language in {
        "Default": "en",
        "Default_uk": "uk",
        "Singer": "en",
        "Russian": "en",
        "Pirate": "en",
        "Mobster": "en",
        "British": "en",
        "Surfer": "en",
        "Classic": "en",
        "Russian_pl": "pl",
        "Default_ru": "ru",
        "Default_pl": "pl",
        "HillBilly": "en",
        "Default_es": "es",
    }.items()
}
RECORDED |= {
    f"klettres-{language}": ("klettres-data", f"klettres/{language}/*/*", "", language)
    for language in "ml es pt_BR it nds hu tn cs nb ar he nl en en_GB de".split()
}
# A language that klettres has too is left out: it may be the same person.
RECORDED |= {
    f"ktuberling-{language}": ("ktuberling-data", f"ktuberling/sounds/{language}/*", "", language)
    for language in "fr ca uk lt da ru wa el sl gl sr sv ro pt ga fi".split()
}
RECORDED |= {
    f"tuxpaint-{language}": (
        "tuxpaint-stamps-default",
        f"tuxpaint/stamps/**/*_desc_{language}.ogg",
        "",
        language,
    )
    for language in "fr ru ro ca bg es be el da lt nl".split()
}
RECORDED |= {
    f"kajongg-{name.replace('/', '-')}": ("kajongg", f"kajongg/voices/{name}/*", name[-5], language)
    for name, language in {
        "male1": "en",
        "male2": "en",
        "female1": "en",
        "female2": "en",
        "de/male1": "de",
        "de/male2": "de",
        "de/female1": "de",
        "de/female2": "de",
    }.items()
}
RECORDED |= {
    f"qabcs-{language}": ("qabcs-data", f"qabcs/abcs/{language}/sounds/*/*", "", language)
    for language in "pl be ru de uk fr en en_gb".split()
}
# Soldiers and such, each with an actor's voice; some of them also growl.
RECORDED |= {
    f"megaglest-{faction}-{unit}": (
        "megaglest-data",
        f"games/megaglest/techs/megapack/factions/{faction}/units/{unit}/sounds/*",
        "",
        "en",
    )
    for faction, units in {
        "norsemen": "swordman cudgel_lady battleaxe spearman valkyrie",
        "persian": "stickfighter swordman princess fakir magician",
        "magic": "initiate battlemage summoner archmage",
        "indian": "shaman fire_archer archer stickfighter spearman horseman",
        "egypt": "spearman",
    }.items()
    for unit in units.split()
}
RECORDED["warmux"] = ("warmux-data", "games/warmux/sound/default/voices/*", "", "en")

HELD_OUT = set(
    "flite-rms festival-machac festival-lp espeak-f3 espeak-m7 espeak-Andy espeak-linda"
    " espeak-Michael human-menardi human-fillets-nl-big human-fillets-nl-small"
    " human-hedgewars-British human-hedgewars-Mobster human-klettres-hu human-klettres-he"
    " human-ktuberling-uk human-tuxpaint-ro human-tuxpaint-es".split()
)


class Voice(NamedTuple):
    """One speaker: `kind` is flite, festival, espeak or human."""

    name: str
    kind: str
    gender: str
    language: str
    split: str


def voices():
    """All of them."""
    rows = [(f"flite-{name}", "flite", gender, "en") for name, gender in FLITE.items()]
    rows += [(f"festival-{name}", "festival", row[1], row[2]) for name, row in FESTIVAL.items()]
    rows += [(f"espeak-{name}", "espeak", "m", "various") for name in ESPEAK_MALE]
    rows += [(f"espeak-{name}", "espeak", "f", "various") for name in ESPEAK_FEMALE]
    rows += [(f"human-{name}", "human", row[2], row[3]) for name, row in RECORDED.items()]
    return [Voice(*row, "valid" if row[0] in HELD_OUT else "train") for row in rows]
