# Startseite, Listen, Datensätze, Formulare, Suche.
show-all = Alle anzeigen
value-none = nichts
person-unknown = Jemand
record-figure-here = { $label } (auf diesem Gerät)
record-unknown = ein nicht mehr vorhandener Datensatz
record-untitled = Ohne Titel

home-greeting = Hallo, { $name }
home-whose = Wessen Geschäfte
home-mine = Meine
home-all = Alle
home-open-amount = Offene Geschäfte
home-pipeline = Pipeline nach Phase
home-stage = Phase
home-bar = Anteil
home-count = Anzahl
home-amount = Betrag
home-weighted = Gewichtet
home-month = Monat
home-numbers = Die Zahlen zeigen
home-closing-months = Abzuschließen, nach Monat
home-closing-months-none = Kein offenes Geschäft hat ein Abschlussdatum in den nächsten sechs Monaten.
home-closed = Gewonnen gegen verloren
home-closed-none = In den letzten sechs Monaten wurde kein Geschäft gewonnen oder verloren.
home-quiet = Still geworden
home-quiet-none = In jedem offenen Geschäft hat sich in den letzten 14 Tagen etwas getan.
home-others = Von anderen geändert
home-others-none = Noch hat niemand sonst etwas geändert.
home-open-count = Offene Deals
home-won-month = In diesem Monat gewonnen
home-late-tasks = Überfällige Aufgaben
home-tasks = Meine offenen Aufgaben
home-tasks-none = Nichts zu tun. Legen Sie zu einem Datensatz eine Aufgabe an, dann steht sie hier.

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
filter-or = oder
filter-and = und
filter-instead = Oder, statt „{ $filter }“:
filter-days = Tage
filter-needs-days = Geben Sie eine Zahl von 1 bis 3650 ein.
filter-day-today = heute
filter-day-after = heute + { $days } { $days ->
    [one] Tag
   *[other] Tage
  }
filter-day-before = heute − { $days } { $days ->
    [one] Tag
   *[other] Tage
  }
test-today = ist heute
test-month = ist in diesem Monat
test-year = ist in diesem Jahr
test-last_days = liegt in den letzten … Tagen
test-next_days = liegt in den nächsten … Tagen
test-from = ist ab
test-until = ist bis
test-me = bin ich
test-empty = ist leer
test-filled = hat einen Wert

section-details = Einzelheiten
section-person = Person
section-reach = Erreichbarkeit
section-address = Anschrift
section-progress = Verlauf
section-more = Weiteres
section-repeat = Wiederholung

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
search-start = Fieldstone sucht in allen Datensätzen auf einmal: nach Namen, E-Mail-Adressen, Telefonnummern in jeder Schreibweise und Ihren eigenen Feldern.

board = Tafel
board-as = Zeigen als
board-list = Liste
board-stages = Phasen bearbeiten
board-move = Phase von { $name }
board-move-go = Verschieben
board-quiet =
    { $days ->
        [one] seit { $days } Tag still
       *[other] seit { $days } Tagen still
    }
board-hint = Ziehen Sie eine Karte in eine andere Phase, oder gehen Sie zu ihr und drücken Sie Umschalt mit einer Pfeiltaste. Pfeiltasten allein führen von Karte zu Karte.
board-why = Warum ging { $name } verloren?
board-lost = Als verloren markieren
board-reason-too-long = Kürzen Sie auf 255 Zeichen.
filter-show = Zeigen
notice-moved = „{ $name }“ verschoben.
notice-widths = Spaltenbreite geändert.
notice-widths-usual = Die Spalten haben ihre üblichen Breiten.
notice-rescheduled = „{ $name }“ ist jetzt am { $when }.
notice-reverted = Rückgängig gemacht.

columns = Spalten
columns-show = Diese zeigen
columns-usual = Wie üblich
columns-width = Breite von { $column }
columns-width-advice = Ziehen Sie am Rand eines Spaltenkopfs, oder gehen Sie mit Tab dorthin und drücken Sie ← oder →. Eingabe passt die Breite an.
columns-widths-usual = Übliche Breiten
views = Ansichten
view-all = Alle
view-name = Name dieser Ansicht
view-share = Für alle im Arbeitsbereich
view-shared = gemeinsam
view-keep = Ansicht behalten
view-pin = Anheften
view-unpin = Lösen
view-remove = Entfernen
export = Exportieren
export-advice = Alles, was diese Liste findet, mit ihren Spalten. Vielleicht müssen Sie bestätigen, dass Sie es sind; das Protokoll vermerkt es.
bulk-tick = Auswählen
bulk-edit = Ausgewählte ändern
bulk-delete = Ausgewählte löschen
bulk-none = Nichts auswählen
bulk-set = In allen setzen
bulk-edit-title =
    { $count ->
        [one] { $count } Datensatz ändern
       *[other] { $count } { $objects } ändern
    }
bulk-changed =
    { $count ->
        [one] { $count } Datensatz geändert
       *[other] { $count } { $objects } geändert
    }
bulk-deleted =
    { $count ->
        [one] { $count } Datensatz gelöscht
       *[other] { $count } { $objects } gelöscht
    }
bulk-failed = Nicht geändert
bulk-not-possible = Dieser lässt sich gerade nicht ändern. Öffnen Sie ihn, um zu sehen, warum.

timeline = Was geschah
timeline-all = Alles
timeline-changes = Änderungen
timeline-added = { $person } hat hinzugefügt: { $object }
timeline-compose = Dem Geschehen hinzufügen
timeline-none = Davon gibt es noch nichts.
field-change = { $field } ändern
record-merge = Zusammenführen
record-print = Drucken
merge-title = { $name } mit einem anderen zusammenführen
merge-advice = Ein Datensatz bleibt, mit den Werten, die Sie wählen. Was auf den anderen verwies, verweist danach auf ihn; der andere wird gelöscht und lässt sich wiederherstellen.
merge-which = Der andere Datensatz
merge-compare = Vergleichen
merge-same = Beide haben dieselben Werte.
merge-do = Zusammenführen
notice-merged_records = „{ $name }“ ist jetzt beide.

reports = Auswertungen
report-nothing = – nichts –
report-of = Von
report-measure = Zahl
report-by = Nach
report-then = Und nach
report-bucket = Daten nach
report-year = Jahr
report-filter = Nur wo
report-of-all = Alle Datensätze zählen. Fügen Sie Bedingungen hinzu, um sie einzuschränken; alle müssen gelten.
report-count = Anzahl der Datensätze
report-sum = Summe von { $field }
report-avg = Durchschnitt von { $field }
report-min = Kleinster Wert von { $field }
report-max = Größter Wert von { $field }
report-total = Zusammen
report-none = Keine Datensätze zum Auswerten
report-cut = Es gibt mehr Gruppen, als hier Platz haben. Grenzen Sie die Auswertung ein, um sie zu sehen.
report-kept = Behaltene Auswertungen
report-keep = Auswertung behalten
report-name = Name dieser Auswertung
dashboards = Übersichten
dashboard-new = Neue Übersicht
dashboard-name = Name dieser Übersicht
dashboard-make = Übersicht anlegen
dashboard-add = Auswertung daraufsetzen
dashboard-take = { $name } herunternehmen
dashboard-earlier = { $name } nach vorn
dashboard-later = { $name } nach hinten
dashboard-gone = Diese Auswertung wurde entfernt
dashboard-object-gone = Das, was diese Auswertung auswertet, gibt es nicht mehr.
dashboard-full = Auf eine Übersicht passen 24 Auswertungen. Nehmen Sie eine herunter, bevor Sie eine andere daraufsetzen.
dashboard-failed = Diese Auswertung lässt sich gerade nicht zeigen. Öffnen Sie sie allein, oder sehen Sie gleich noch einmal nach.
dashboard-none = Noch keine Übersichten
dashboard-none-advice = Eine Übersicht zeigt gemerkte Auswertungen nebeneinander. Legen Sie eine an und setzen Sie Auswertungen darauf.
dashboard-empty = Noch nichts darauf
dashboard-empty-advice = Setzen Sie eine Auswertung darauf. Auf einer Übersicht für alle stehen Auswertungen, die alle haben.
dashboard-no-reports = Speichern Sie erst eine Auswertung, dann setzen Sie sie auf diese Übersicht.

calendar = Kalender
calendar-week = Woche
calendar-day = Tag
calendar-today = Heute
calendar-turn = Früher und später
calendar-whose = Wessen Kalender
calendar-add = Neuer Termin am { $date }
calendar-more = { $count } weitere
calendar-cut = In dieser Zeit ist mehr, als hier Platz hat. Sehen Sie eine Woche oder einen Tag an.
calendar-all-day = Ganztägig
calendar-planned = Wiederholung:
calendar-hint = Ziehen Sie etwas auf einen anderen Tag oder eine andere Stunde, oder fokussieren Sie es und drücken Sie die Umschalttaste mit einer Pfeiltaste. Pfeiltasten allein gehen von einem zum nächsten.
weekday-1 = Mo
weekday-2 = Di
weekday-3 = Mi
weekday-4 = Do
weekday-5 = Fr
weekday-6 = Sa
weekday-7 = So

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

forecast = Vorschau
forecast-advice = Offene Geschäfte nach dem Monat, in dem sie abgeschlossen werden sollen; unter jedem Betrag, was davon wahrscheinlich ist.
forecast-owner = Inhaber
forecast-late = Überfällig
forecast-none = Kein offenes Geschäft
