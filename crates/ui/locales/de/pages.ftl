# Startseite, Listen, Datensätze, Formulare, Suche.
show-all = Alle anzeigen
value-none = nichts
person-unknown = Jemand
record-unknown = ein nicht mehr vorhandener Datensatz
record-untitled = Ohne Titel

home-greeting = Hallo, { $name }
home-open-amount = Meine offenen Deals
home-open-count = Offene Deals
home-won-month = In diesem Monat gewonnen
home-late-tasks = Überfällige Aufgaben
home-tasks = Meine offenen Aufgaben
home-tasks-none = Nichts zu tun. Legen Sie zu einem Datensatz eine Aufgabe an, dann steht sie hier.
home-closing = Meine Deals kurz vor dem Abschluss
home-closing-none = Keiner Ihrer offenen Deals hat in den nächsten 30 Tagen sein Abschlussdatum.
home-recent = Zuletzt geändert
home-recent-none = Noch wurde nichts geändert.

list-new = { $object } anlegen
list-search = { $object } durchsuchen
list-deleted = Gelöschte
list-deleted-title = Gelöschte { $objects }
list-deleted-none = Nichts ist gelöscht
list-deleted-advice = Was Sie löschen, bleibt hier und kann wiederhergestellt werden.
list-sort = Sortieren
list-sort-newest = Neueste zuerst
list-sort-ascending = { $field }, aufsteigend
list-sort-descending = { $field }, absteigend
list-count-ask = Datensätze zählen
list-count =
    { $count ->
        [one] { $shown } Datensatz
       *[other] { $shown } Datensätze
    }
list-count-here =
    { $count ->
        [one] { $shown } Datensatz auf diesem Gerät
       *[other] { $shown } Datensätze auf diesem Gerät
    }
list-pages = Seiten
list-previous = Zurück
list-next = Weiter
list-none = Noch keine { $object }
list-none-match = Keine passenden { $object }
list-none-match-advice = Jeder Filter engt die Liste weiter ein. Entfernen Sie einen oder suchen Sie nach weniger Wörtern.

filter = Filtern
filters = Filter
filters-clear = Alle Filter entfernen
filter-field = Feld
filter-test = Bedingung
filter-value = Wert
filter-add = Filter hinzufügen
filter-remove = Filter entfernen: { $filter }
filter-needs-value = Geben Sie einen Wert zum Vergleichen ein.
filter-broken-title = Ein Filter gilt nicht mehr
filter-broken = Er nennt ein Feld oder einen Wert, den es hier nicht gibt. Entfernen Sie ihn, um wieder Datensätze zu sehen.
test-contains = enthält
test-starts = beginnt mit
test-equal = ist
test-not_equal = ist nicht
test-less = ist kleiner als
test-greater = ist größer als
test-before = liegt vor
test-after = liegt nach
test-me = bin ich
test-empty = ist leer
test-filled = hat einen Wert

section-details = Einzelheiten
section-person = Person
section-reach = Erreichbarkeit
section-address = Anschrift
section-progress = Verlauf
section-more = Weiteres

record-edit = Bearbeiten
record-delete = Löschen
record-deleted = Dieser Datensatz ist gelöscht.
record-deleted-advice = Er wurde am { $when } gelöscht und kann wiederhergestellt werden.
record-restore = Wiederherstellen
related-all = Alle { $objects }
related-add = Zu diesem Datensatz hinzufügen

history = Verlauf
history-title = Verlauf von { $name }
history-older = Ältere Änderungen anzeigen
history-created = { $person } hat diesen Datensatz angelegt
history-updated = { $person } hat ihn geändert
history-deleted = { $person } hat ihn gelöscht
history-restored = { $person } hat ihn wiederhergestellt

form-new-title = { $object } anlegen
form-edit-title = { $name } bearbeiten
form-optional = freiwillig
form-save = Speichern
form-save-another = Speichern und weitere anlegen
form-cancel = Abbrechen
form-errors = Einige Eingaben brauchen noch einen Blick
options-none = Nichts gefunden

collision-title = { $name } wurde inzwischen geändert
collision-advice = { $person } hat diesen Datensatz geändert, während Sie ihn bearbeitet haben. Nichts wurde überschrieben: Wählen Sie unten für jedes Feld, was gelten soll.
collision-before = vorher: { $value }
collision-theirs = Was jetzt da steht
collision-mine = Was Sie eingegeben haben
collision-others = Inzwischen ebenfalls geändert
collision-discard = Meine Änderungen verwerfen

lead-convert = Lead umwandeln
conversion-title = { $name } umwandeln
conversion-advice = Aus dem Lead wird ein Kontakt bei einem Account und auf Wunsch ein Deal. Er behält seinen Verlauf und verweist auf das, was aus ihm geworden ist.
conversion-account = Account
conversion-new = Neuer Account „{ $name }“
conversion-existing = Ein bereits vorhandener Account
conversion-which = Welcher Account
conversion-deal = Deal
conversion-with-deal = Einen Deal beginnen
conversion-deal-name = Name des Deals

notice-created = { $object } „{ $name }“ angelegt.
notice-saved = Gespeichert.
notice-merged = Gespeichert, zusammen mit inzwischen erfolgten Änderungen anderer.
notice-unchanged = Es wurde nichts geändert.
notice-deleted = { $object } „{ $name }“ gelöscht.
notice-restored = { $object } „{ $name }“ wiederhergestellt.
notice-converted = { $object } „{ $name }“ umgewandelt.
notice-open = Öffnen
notice-undo = Rückgängig

search-title = Ergebnisse für „{ $words }“
search-hint = Namen, E-Mail-Adressen, Telefonnummern …
search-none = Nichts gefunden
search-none-advice = Wörter werden an ihrem Anfang gefunden. Versuchen Sie es mit weniger oder kürzeren.

attachment-add = Dateien hinzufügen
attachment-files = Dateien
attachment-help = Jede Art von Datei, bis zu 1 GiB je Datei. Sie können Dateien auch auf diese Seite ziehen.
attachment-choose = Wählen Sie mindestens eine Datei und höchstens zwanzig.
attachment-upload = Hochladen
attachment-sending = {"{"}name{"}"} wird gesendet …
attachment-failed = Die Datei ist nicht angekommen. Versuchen Sie es noch einmal.
attachment-too-large = Diese Datei ist größer als 1 GiB.
attachment-download = Herunterladen
attachment-waiting = Der Inhalt ist noch nicht angekommen. Er kommt vom Gerät, auf dem die Datei hinzugefügt wurde, bei dessen nächstem Abgleich.
