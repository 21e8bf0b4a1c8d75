# Einstellungen: was Personen für sich und für ihren Arbeitsbereich festlegen.
settings-own = Sie
settings-workspace = Arbeitsbereich
settings-profile = Profil
settings-done-profile = Profil gespeichert.

profile-advice = Wie andere Sie sehen und wie Fieldstone für Sie schreibt.
profile-name = Name
profile-name-missing = Geben Sie Ihren Namen ein.
profile-name-unusable = Geben Sie einen Namen mit höchstens 255 Zeichen in einer Zeile ein.
profile-locale = Sprache und Region
profile-locale-help = Bestimmt die Sprache der Seiten und wie Daten, Uhrzeiten und Zahlen aussehen.
profile-time-zone = Zeitzone

locale-en = Englisch
locale-en-us = Englisch (Vereinigte Staaten)
locale-en-gb = Englisch (Vereinigtes Königreich)
locale-de = Deutsch
locale-de-de = Deutsch (Deutschland)
locale-de-at = Deutsch (Österreich)
locale-de-ch = Deutsch (Schweiz)

# Sich noch einmal ausweisen.
confirm-title = Bestätigen Sie, dass Sie es sind
confirm-advice = { $person }, der nächste Schritt wiegt schwer. Geben Sie Ihr Passwort noch einmal ein, um fortzufahren.
confirm-button = Weiter
confirm-wrong = Das ist nicht Ihr Passwort. Versuchen Sie es noch einmal.
