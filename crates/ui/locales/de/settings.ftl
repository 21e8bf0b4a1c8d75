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

# Teams und was Personen sehen.
settings-teams = Teams
settings-roles = Rollen
settings-done-team-made = Team angelegt.
settings-done-team-saved = Team gespeichert.
settings-done-team-removed = Team entfernt. Die Teams darunter sind aufgerückt.
settings-done-team-joined = Die Person ist jetzt im Team.
settings-done-team-left = Die Person hat das Team verlassen.
settings-done-visibility = Gespeichert. Es gilt ab der nächsten Seite, die geöffnet wird.
teams-advice = Wer nach Teams sieht, sieht, was allen in den eigenen Teams und in den Teams darunter gehört.
teams-none = Es gibt noch keine Teams. Legen Sie unten das erste an.
team-people = { $count ->
    [0] niemand darin
    [1] 1 Person
   *[other] { $count } Personen
}
team-new = Neues Team
team-name = Name
team-parent = Unterhalb von
team-top = Keinem anderen Team
team-create = Team anlegen
team-join-label = Jemand für dieses Team
team-join = Aufnehmen
team-leave = Herausnehmen
team-leave-label = { $name } aus dem Team nehmen
team-remove = Team entfernen
team-remove-label = Das Team { $name } entfernen
team-bad-name = Geben Sie einen Namen mit höchstens 80 Zeichen ein.
team-name-taken = Ein anderes Team hat diesen Namen. Wählen Sie einen anderen.
team-cycle = Wählen Sie einen anderen Platz: Ein Team kann nicht unter sich selbst liegen und nicht tiefer als 20 Ebenen.
team-full = Es gibt schon 500 Teams. Entfernen Sie zuerst einige.
visibility-title = Wessen Datensätze Personen sehen
visibility-advice = Alle sehen, was ihnen gehört. Administratoren und Inhaber sehen alles.
visibility-default = Neue Personen
visibility-all = Datensätze von allen
visibility-team = Datensätze der eigenen Teams
visibility-own = Eigene Datensätze
visibility-by-role = sieht die Datensätze von allen
visibility-save = Speichern, was { $name } sieht
visibility-save-default = Speichern, was neue Personen sehen

# Rollen.
roles-advice = Diese Tabelle entscheidet auf jeder Seite und in der API, was jede Person darf.
roles-may = Darf
roles-yours = Ihre
capability-records-read = Datensätze sehen
capability-records-write = Datensätze anlegen und ändern
capability-records-delete = Datensätze löschen und wiederherstellen
capability-records-import = Dateien mit Datensätzen importieren
capability-schema-manage = Objekte, Felder und Pipelines festlegen
capability-users-manage = Personen und Teams verwalten, exportieren, das Protokoll lesen
capability-workspace-manage = Richtlinien, Schlüssel und Anbindungen festlegen
capability-workspace-own = Inhaber ernennen, den Arbeitsbereich übergeben oder löschen
