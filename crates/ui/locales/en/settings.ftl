# Settings: what people set for themselves and for their workspace.
settings-own = You
settings-workspace = Workspace
settings-profile = Profile
settings-done-profile = Profile saved.

profile-advice = How you appear to others, and how Fieldstone writes for you.
profile-name = Name
profile-name-missing = Enter your name.
profile-name-unusable = Enter a name of at most 255 characters, on one line.
profile-locale = Language and region
profile-locale-help = Decides the language of the pages and how dates, times and numbers look.
profile-time-zone = Time zone

locale-en = English
locale-en-us = English (United States)
locale-en-gb = English (United Kingdom)
locale-de = German
locale-de-de = German (Germany)
locale-de-at = German (Austria)
locale-de-ch = German (Switzerland)

# Proving oneself again.
confirm-title = Confirm that it’s you
confirm-advice = { $person }, what comes next weighs much. Enter your password once more to go on.
confirm-button = Continue
confirm-wrong = That isn’t your password. Try again.
