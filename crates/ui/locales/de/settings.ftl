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
confirm-code = Oder ein Code Ihrer Authenticator-App
confirm-code-button = Weiter mit dem Code

settings-password = Passwort
settings-two-step = Anmeldung in zwei Schritten
settings-sessions = Angemeldete Geräte
settings-sign-in = Anmelderegeln
settings-done-password = Passwort geändert. Überall sonst sind Sie abgemeldet.
settings-done-password-tokens = Passwort geändert. Überall sonst sind Sie abgemeldet, und Ihre API-Tokens sind beendet.
settings-done-two-step-removed = Die Anmeldung in zwei Schritten ist aus.
settings-done-session-ended = Dort abgemeldet.
settings-done-sessions-ended = Überall sonst abgemeldet.
settings-done-policy = Anmelderegeln gespeichert.

password-advice = Nach der Änderung bleiben Sie hier angemeldet. Überall sonst sind Sie abgemeldet: in Browsern, auf Geräten mit der Außendienst-App und bei verbundenen Anwendungen.
password-present = Jetziges Passwort
password-new = Neues Passwort
password-repeat = Neues Passwort noch einmal
password-tokens-help = Programme mit diesen Tokens arbeiten weiter. Beenden Sie die Tokens, wenn jemand anderes Ihr Konto benutzt haben könnte.
password-tokens-end = Auch diese Tokens beenden
password-button = Passwort ändern
password-too-short = Wählen Sie ein Passwort mit mindestens 12 Zeichen.
password-too-long = Wählen Sie ein Passwort mit höchstens 1024 Bytes; das sind mehrere Absätze.
password-own-words = Wählen Sie etwas anderes als Ihren Namen, Ihre Adresse oder Ihren Arbeitsbereich, oder fügen Sie mehrere andere Wörter hinzu.
password-common = Viele benutzen dieses Passwort, deshalb wird es zuerst probiert. Wählen Sie ein anderes.
password-pattern = Ein solches Muster ist leicht zu erraten. Fügen Sie einige Wörter hinzu, die nichts miteinander zu tun haben.
password-guessable = Das ist leicht zu erraten. Fügen Sie noch ein oder zwei Wörter hinzu.
password-same = Das ist Ihr jetziges Passwort. Wählen Sie ein neues.

sessions-advice = Überall, wo Sie angemeldet sind. Melden Sie sich dort ab, wo Sie das Gerät nicht kennen.
sessions-device = { $browser } auf { $system }
sessions-unknown = Unbekanntes Gerät
sessions-this = Dieses
sessions-used = zuletzt benutzt
sessions-began = angemeldet
sessions-end = Abmelden
sessions-end-of = { $device } abmelden
sessions-end-others = Überall sonst abmelden

two-step-advice = Außer nach dem Passwort fragt die Anmeldung nach einem Code aus einer App auf Ihrem Telefon. Ein gestohlenes Passwort allein öffnet dann nichts.
two-step-on = Ein
two-step-off = Aus
two-step-since = seit { $since }
two-step-start = Einrichten
two-step-required = Ihr Arbeitsbereich verlangt die Anmeldung in zwei Schritten. Richten Sie sie ein, um fortzufahren.
two-step-changed = Die Anmeldung in zwei Schritten hat sich inzwischen geändert. Sehen Sie sich die Seite noch einmal an.
two-step-setup-title = Anmeldung in zwei Schritten einrichten
two-step-scan = Scannen Sie dies mit Ihrer Authenticator-App
two-step-scan-advice = Jede App für Einmalcodes ist geeignet.
two-step-drawing = QR-Code für Ihre Authenticator-App
two-step-by-hand = Scannen geht nicht?
two-step-by-hand-help = Geben Sie dies stattdessen in die App ein: zeitbasiert, sechs Ziffern, alle 30 Sekunden. Leerzeichen spielen keine Rolle.
two-step-code = Geben Sie den Code ein, den die App zeigt
two-step-confirm = Einschalten
two-step-remove-title = Anmeldung in zwei Schritten ausschalten
two-step-remove-advice = Ihr Passwort allein öffnet dann Ihr Konto.
two-step-remove-ask = Geben Sie Ihr Passwort und einen Code ein. Überall sonst werden Sie abgemeldet.
two-step-remove = Ausschalten

recovery-title = Wiederherstellungscodes
recovery-left = { $number ->
    [0] Sie haben keine Wiederherstellungscodes mehr. Erstellen Sie jetzt neue.
    [one] Sie haben noch einen Wiederherstellungscode. Jeder gilt einmal, wenn Ihr Telefon nicht zur Hand ist.
   *[other] Sie haben noch { $number } Wiederherstellungscodes. Jeder gilt einmal, wenn Ihr Telefon nicht zur Hand ist.
}
recovery-renew = Neue Codes erstellen
recovery-once = Bewahren Sie diese dort auf, wo Sie sie ohne Ihr Telefon finden. Jeder gilt einmal. Sie werden nur jetzt gezeigt; frühere Codes gelten nicht mehr.
recovery-copy = Kopieren
recovery-copied = Kopiert
recovery-download = Herunterladen
recovery-print = Drucken
recovery-done = Ich habe sie aufbewahrt

policy-advice = Gilt für alle in diesem Arbeitsbereich. Was Sie verkürzen, ist sofort verkürzt.
policy-idle = Abmelden bei Untätigkeit nach
policy-idle-help = Gezählt ab der letzten Anfrage eines Geräts.
policy-absolute = In jedem Fall abmelden nach
policy-absolute-help = Gezählt ab der Anmeldung.
policy-limits = Die Untätigkeit kann nicht länger dauern als die ganze Sitzung. Verkürzen Sie das eine oder verlängern Sie das andere.
policy-totp = Alle brauchen die Anmeldung in zwei Schritten
policy-totp-help = Wer sie nicht eingerichtet hat, kann bis dahin nichts anderes tun; auch die eigenen API-Tokens ruhen bis dahin.
policy-totp-own = Richten Sie sie zuerst für sich selbst ein:
span-minutes = { $number ->
    [one] eine Minute
   *[other] { $number } Minuten
}
span-hours = { $number ->
    [one] eine Stunde
   *[other] { $number } Stunden
}
span-days = { $number ->
    [one] ein Tag
   *[other] { $number } Tage
}

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

# Objekte und Felder.
settings-objects = Objekte und Felder
objects-advice = Was der Arbeitsbereich festhält. Fügen Sie Felder hinzu, oder legen Sie etwas Eigenes an: Es hat sofort Listen, Formulare, Suche, Import und API.
objects-full = Es gibt schon zu viele Objekte. Entfernen Sie zuerst eines.
object-own = eigen
object-own-fields =
    { $count ->
        [one] { $count } eigenes Feld
       *[other] { $count } eigene Felder
    }
object-new = Etwas Eigenes
object-create = Anlegen
object-remove = Dieses Objekt entfernen
object-remove-advice = Entfernt verschwindet es mit seinen Datensätzen für alle. Sie bleiben 30 Tage erhalten.
field-new = Neues Feld
field-create = Feld hinzufügen
field-label = Bezeichnung
field-help = Hilfe
field-type = Art
field-facts = Eigenschaften
field-options = Möglichkeiten
field-options-help = Eine je Zeile.
field-to = Führt zu
roll-up-source = Zählt oder summiert
roll-up-sum = Was summiert wird
roll-up-filter = Nur solche, bei denen
roll-up-filter-help = Wie der Filter einer Liste geschrieben, etwa: status = "open" and amount > 1000
roll-up-default = Vorgabe
roll-up-default-help = Was ein neuer Datensatz bekommt, wenn nichts eingegeben wird. Bei Datumsfeldern geht „Heute“.
roll-up-defaulted = mit Vorgabe
roll-up-rolled-up = berechnet
order = Reihenfolge der Felder
order-advice = Ziehen Sie ein Feld an seinen Platz, oder fokussieren Sie einen seiner Knöpfe und drücken Sie die Umschalttaste mit einer Pfeiltaste. Alle sehen Formulare und Datensätze in dieser Reihenfolge.
order-up = { $field } nach oben
order-down = { $field } nach unten
order-reset = Alles zurücksetzen
order-done = Fertig
settings-done-order = Gespeichert.
problem-no_default = Beziehungen, eindeutige Felder und Berechnetes haben keine Vorgabe.
problem-roll_up_number = Wählen Sie eine Zahl dessen, was gezählt wird; ein eigenes Feld muss zum Filtern von Listen vorgesehen sein.
problem-roll_up_filter = Dieser Filter ist nicht lesbar. Schreiben Sie ihn wie im Beispiel.
problem-roll_ups_full = Mehr als zehn Berechnungen über verbundene Datensätze gibt es je Objekt nicht, da jede bei jeder Anzeige neu gerechnet wird. Entfernen Sie zuerst eine.
problem-roll_up_relation = Wählen Sie etwas mit einer Beziehung hierher.
type-roll_up_count = Anzahl verbundener Datensätze
type-roll_up_sum = Summe über verbundene Datensätze
field-required = Pflicht
field-unique = eindeutig
field-indexed = filterbar
field-restricted = eingeschränkt
field-required-long = Muss von nun an einen Wert haben
field-unique-long = Keine zwei Datensätze haben denselben Wert
field-indexed-long = Listen lassen sich danach filtern und sortieren
field-searchable-long = Die Suche findet seine Wörter
field-readers = Wer es sieht
field-writers = Wer es setzt
field-from-viewer = Alle
field-from-member = Mitglieder und darüber
field-from-admin = Admins und darüber
field-from-owner = Eigentümer
field-remove = Dieses Feld entfernen
field-removed-list = Entfernte Felder
field-removed-advice = Entferntes verschwindet für alle. Die Daten bleiben 30 Tage erhalten, und so lange lässt es sich zurückholen.
settings-done-object = Angelegt. Fügen Sie nun Felder hinzu.
settings-done-field = Feld hinzugefügt.
settings-done-field-removed = Feld entfernt. Es lässt sich 30 Tage lang zurückholen.
settings-done-field-restored = Das Feld ist zurück, mit seinen Daten.
settings-done-object-removed = Objekt entfernt.
settings-done-field-saved = Feld gespeichert.

settings-notifications = Mitteilungen
settings-done-notifications = Ihre Auswahl ist gespeichert.
notifications-advice = Was Ihnen mitgeteilt wird, steht unter Mitteilungen in der Navigation.
notifications-wanted = Mir mitteilen, wenn
notifications-mail = Per E-Mail
notifications-daily = Einmal am Tag ein Brief über das, was ich nicht gelesen habe

settings-automation = Automatisierung
settings-webhooks = Webhooks
settings-done-rule-made = Die Regel ist angelegt und ausgeschaltet. Probieren Sie sie aus, dann schalten Sie sie ein.
settings-done-rule-saved = Die Regel ist gespeichert.
settings-done-rule-on = Die Regel ist eingeschaltet.
settings-done-rule-off = Die Regel ist ausgeschaltet.
settings-done-rule-removed = Die Regel ist entfernt.
settings-done-webhook-saved = Der Webhook ist gespeichert.
settings-done-webhook-removed = Der Webhook ist entfernt.
settings-done-webhook-replayed = Es wird noch einmal gesendet.
automation-advice = Eine Regel sieht Datensätze an, wenn sie entstehen, sich ändern oder einen Tag erreichen, und tut, was Sie sagen. Sie handelt mit den Rechten der Rolle, die Sie wählen, und was sie ändert, setzt keine andere Regel in Gang.
automation-none = Es gibt noch keine Regel. Wählen Sie, worum es geht, und legen Sie eine an.
automation-of = Über
automation-new = Neue Regel
automation-new-title = Neue Regel über { $objects }
automation-account = Regeln ({ $role })
automation-starts-created = wenn einer entsteht
automation-starts-changed = wenn sich einer ändert
automation-starts-date = wenn ein Tag gekommen ist
automation-on = an
automation-off = aus
automation-stopped = angehalten
automation-stopped-advice = Diese Regel lief in einer Stunde mehr als zehntausendmal und wurde ausgeschaltet. Grenzen Sie sie ein, bevor Sie sie wieder einschalten.
automation-runs =
    { $count ->
        [one] { $count }-mal diese Woche
       *[other] { $count }-mal diese Woche
    }
automation-failed = { $count } gescheitert
automation-try = Ausprobieren
automation-switch-on = Einschalten
automation-switch-off = Ausschalten
automation-when = Wann
automation-fields = Nur wenn sich eines dieser Felder ändert
automation-date-field = Tag
automation-days = Tage danach
automation-days-help = Eine negative Zahl bedeutet davor.
automation-if = Nur wenn
automation-if-help = Zum Beispiel: amount > 10000 and status = "open"
condition-always = Immer. Fügen Sie Bedingungen hinzu, um es einzuschränken; alle müssen gelten.
condition-add = Bedingung hinzufügen
condition-remove = Bedingung entfernen: { $condition }
condition-no-field = Wählen Sie das Feld, um das es geht.
condition-unfinished = Wählen Sie, was für dieses Feld gelten soll, oder lassen Sie das Feld leer.
condition-read = Als Bedingungen übernehmen
condition-typed = Als Text
condition-text = Bedingung als Text
automation-set = Felder setzen
automation-set-help = Statt eines Werts können Sie :today, :today+7 oder :owner schreiben. Leer leert das Feld.
automation-task = Aufgabe
automation-task-do = Eine Aufgabe zum Datensatz anlegen
automation-task-subject = Betreff
automation-task-days = Fällig nach Tagen
automation-whom = Für
automation-owner = Inhaber des Datensatzes
automation-notify = Mitteilung
automation-notify-do = Jemandem Bescheid sagen
automation-notify-text = Text
automation-webhook = Einem anderen System Bescheid sagen
automation-webhook-help = Es bekommt den Datensatz, wie ihn die Rolle der Regel sieht, signiert.
automation-role = Handelt mit den Rechten von
automation-role-help = Die Regel kann, was diese Rolle kann, und nicht mehr.
automation-log = Was sie getan hat
automation-log-none = Noch nichts.
automation-outcome-done = getan
automation-outcome-passed = passte nicht
automation-outcome-failed = gescheitert
automation-remove = Regel entfernen
automation-trial = Probe
automation-trial-advice = Was die Regel mit den zuletzt geänderten Datensätzen täte, die zu ihr passen. Hier wird nichts geändert.
automation-trial-none = Zurzeit passt kein Datensatz zur Regel.
automation-effect-task = Neue Aufgabe: { $name }
automation-effect-notify = Mitteilung: { $text }
automation-effect-webhook = Meldung an das andere System
automation-effect-none = Nichts würde sich ändern
automation-object-problem = Dieses Objekt gibt es nicht mehr.
automation-name-problem = Geben Sie einen Namen mit höchstens 255 Zeichen ein.
automation-date-problem = Wählen Sie das Feld mit dem Tag.
automation-days-problem = Geben Sie eine Zahl von Tagen zwischen 0 und 3650 ein; für einen Tag auch eine negative.
automation-filter-problem = Diese Bedingung ist nicht lesbar.
automation-set-problem = Dieses Feld kann nicht gesetzt werden.
automation-value-problem = Dieser Wert passt nicht zum Feld.
automation-text-problem = Geben Sie einen Text mit höchstens 200 Zeichen ein.
automation-nothing-problem = Die Regel tut noch nichts: Setzen Sie ein Feld, legen Sie eine Aufgabe an oder sagen Sie jemandem Bescheid.
webhooks-advice = Regeln melden diesen Adressen, was geschieht. Jede Nachricht ist signiert: Der Kopf Fieldstone-Signature enthält „v1=“ und den HMAC-SHA256 aus dem Kopf Fieldstone-Timestamp, einem Punkt und dem Inhalt, hexadezimal, unter dem Geheimnis. Weisen Sie zurück, was älter als fünf Minuten ist. Was nicht mit einem Status von 200 bis 299 beantwortet wird, wird einen Tag lang wieder gesendet.
webhook-new = Neuer Webhook
webhook-url = Adresse
webhook-url-help = Eine https-Adresse im öffentlichen Internet.
webhook-url-unreadable = Geben Sie eine Adresse wie https://example.com/hook ein, ohne Kennwort darin.
webhook-url-unencrypted = Die Adresse muss mit https beginnen.
webhook-url-closed = Diese Adresse liegt in einem Netz, das Webhooks nicht erreichen dürfen. Wer den Server betreibt, kann es öffnen.
webhook-active = Senden, was Regeln melden
webhook-secret = Geheimnis
webhook-secret-advice = Das neue Geheimnis gilt sofort, auch für Wartendes. Das alte ist nichts mehr wert.
webhook-secret-renew = Neues Geheimnis erstellen
webhook-made = Angelegt am
webhook-failed = { $count } aufgegeben
webhook-deliveries = Letzte Nachrichten
webhook-deliveries-none = Noch wurde nichts gesendet.
webhook-state-waiting = wartet
webhook-state-sent = gesendet
webhook-state-failed = aufgegeben
webhook-answer = Antwort: { $status }
webhook-next = Nächster Versuch: { $when }
webhook-body = Nachricht
webhook-replay = Noch einmal senden
webhook-remove = Webhook entfernen
webhook-remove-advice = Wartendes wird nicht mehr gesendet. Regeln, die ihn verwenden, melden niemandem etwas.
webhook-problem-timeout = Keine Antwort in der Zeit
webhook-problem-unreachable = Nicht erreichbar
webhook-problem-unknown = Diesen Rechner gibt es nicht
webhook-problem-closed = In einem Netz, das Webhooks nicht erreichen dürfen
webhook-problem-unreadable = Die Adresse ist nicht lesbar
webhook-problem-secret = Das Geheimnis lässt sich nicht öffnen
webhook-problem-broken = Konnte nicht gesendet werden
settings-backups = Sicherungen
settings-ending = Ende des Arbeitsbereichs
settings-support = Zugang für Hilfe
support-advice = Lassen Sie jemanden, der hilft, für eine Weile in diesen Arbeitsbereich, ohne eigenes Konto. Der Zugang gilt für eine Person, endet von selbst, und jedes Betreten steht im Protokoll.
support-none = Bisher wurde niemand hereingelassen.
support-give = Jemanden hereinlassen
support-operator = Wer hilft
support-email = E-Mail-Adresse der Person
support-email-help = Der Betreiber erzeugt für diese Adresse einen Link, der einmal gilt.
support-reason = Wofür
support-how-long = Wie lange
support-hours = { $hours ->
    [one] 1 Stunde
   *[other] { $hours } Stunden
}
support-may-write = Darf auch Datensätze ändern
support-button = Hereinlassen
support-until = Offen bis { $at }
support-ended = Beendet { $at }
support-ended-by = Beendet von { $name }, { $at }
support-given-by = gegeben von { $name }, { $at }
support-reads = liest nur
support-writes = ändert Datensätze
support-entered = { $times ->
    [one] einmal
   *[other] { $times } Mal
} hereingekommen, zuletzt { $at }
support-never-entered = nie hereingekommen
support-end = Zugang beenden
support-end-of = Zugang von { $name } beenden
support-no-operator = Geben Sie mit höchstens 100 Zeichen an, wer es ist, damit es später alle sehen können.
support-long-reason = Sagen Sie mit höchstens 500 Zeichen, wofür.
support-no-email = Geben Sie die E-Mail-Adresse der Person an, die hilft.
settings-done-support-given = Der Zugang ist offen. Der Betreiber kann jetzt den Link erzeugen.
settings-done-support-ended = Der Zugang ist beendet.
settings-usage = Nutzung
usage-advice = Was dieser Arbeitsbereich nutzt und wie viel es sein darf. Die Grenzen setzt der Betreiber.
usage-records = Datensätze
usage-records-help = Gelöschte zählen, bis sie sich nicht mehr wiederherstellen lassen. Ist die Grenze erreicht, lässt sich Vorhandenes ändern und entfernen, Neues wird nicht angenommen; Geräte behalten, was sie nicht senden konnten.
usage-files = Dateien
usage-files-help = Der Inhalt aller Anhänge, auch derer, die noch unterwegs sind.
usage-of = { $used } von { $most }
usage-without = { $used }, ohne Grenze
usage-full = Voll
usage-requests = Anfragen von Programmen
usage-requests-most = Höchstens { $most } in der Minute
usage-requests-any = Ohne Grenze
usage-requests-help = Aufrufe der API und von Geräten, auf allen Servern zusammen. Programmen darüber hinaus wird gesagt, wann sie wiederkommen sollen; Seiten werden nie zurückgehalten.
backups-advice = Was diese Installation gesichert hat und ob es sich wiederherstellen ließ. Sicherungen sind verschlüsselt.
backups-made = Sicherungen
backups-none = Noch keine Sicherung. Fragen Sie, wer diese Installation betreibt.
backups-good = Gelungen
backups-failed = Fehlgeschlagen
backups-full = Vollständig
backups-changes = Änderungen seit der letzten vollständigen
backups-sizes = { $database }, gesichert in { $kept }
backups-drills = Geübte Wiederherstellungen
backups-drills-advice = Einmal in der Woche wird die letzte Sicherung neben der Datenbank wiederhergestellt, geprüft und wieder entfernt.
backups-no-drills = Noch keine Wiederherstellung geübt.
backups-rpo = { $seconds } s Arbeit wären verloren gewesen
backups-rto = wieder da nach { $seconds } s
ending-advice = Beendet diesen Arbeitsbereich für alle darin. Sie haben 30 Tage, um es sich anders zu überlegen.
ending-pending = Dieser Arbeitsbereich endet am { $ends }.
ending-asked-by = { $name } hat das am { $at } verlangt.
ending-asked-operator = Wer diese Installation betreibt, hat das am { $at } verlangt.
ending-what = Was wann geschieht
ending-until = Bis { $ends } läuft alles weiter, und ein Eigentümer kann es zurücknehmen. Exportieren Sie bis dahin, was Sie brauchen.
ending-keys = Dann werden die Schlüssel des Arbeitsbereichs vernichtet. Dateien, zweite Faktoren und von Geräten Versiegeltes sind von da an nirgends mehr lesbar, in keiner Kopie und keiner Sicherung.
ending-rows = Datensätze, Personen, Verlauf und Protokoll werden gleich danach entfernt.
ending-backups = Nicht versiegelte Datensätze verlassen die letzte Sicherung bis zum { $gone }.
ending-backups-unknown = Nicht versiegelte Datensätze verlassen die Sicherungen, sobald diese zu alt sind. Wann das ist, weiß, wer diese Installation betreibt.
ending-type = Tippen Sie zur Bestätigung { $workspace } ein
ending-different = So heißt der Arbeitsbereich nicht. Tippen Sie den Namen genau so ein, wie er oben steht.
ending-button = Arbeitsbereich in 30 Tagen beenden
ending-stop = Arbeitsbereich behalten
settings-done-ending-asked = Der Arbeitsbereich endet in 30 Tagen. Ein Eigentümer kann das hier zurücknehmen.
settings-done-ending-stopped = Der Arbeitsbereich bleibt.

settings-personal-data = Personenbezogene Daten
personal-advice = Jemand fragt, was Sie über ihn wissen, oder möchte es gelöscht haben: Suchen Sie Namen, Adresse oder Nummer in allen Datensätzen, die Sie sehen.
personal-search = Name, E-Mail-Adresse oder Nummer
personal-none = Nichts gefunden. Versuchen Sie eine andere Schreibweise oder nur einen Teil.
personal-found = Gefunden
personal-open = Öffnen
personal-check = Nehmen Sie das Häkchen weg, wo es um jemand anderen geht. Dateien gehen mit ihrem Datensatz.
personal-export = Als JSON exportieren
personal-erase = Endgültig löschen
personal-stays = Was bleibt und warum
personal-stays-audit = Das Protokoll: Es belegt, wer was getan hat, und enthält keine Werte von Datensätzen.
personal-stays-others = Erwähnungen im Freitext von Datensätzen ohne Häkchen. Öffnen und bearbeiten Sie diese.
personal-stays-devices = Geräte entfernen ihre Kopie beim nächsten Kontakt.
personal-stays-backups = Sicherungen enthalten, was da war, bis sie zu alt sind; einzelne Datensätze stellt niemand daraus wieder her.
settings-done-personal-data-erased = Endgültig gelöscht, mit Verlauf und Dateien.
settings-calendar = Kalender anderswo
settings-done-calendar-ended = Die Adresse ist nichts mehr wert.
calendar-address = Adresse
calendar-feed-advice = Andere Kalenderprogramme können Ihre Termine und Aufgaben zeigen, wenn Sie ihnen eine eigene Adresse geben. Wer die Adresse hat, kann sie lesen; behalten Sie sie für sich.
calendar-feed-made = Ihre Adresse wurde am { $when } erstellt.
calendar-feed-read = Zuletzt gelesen am { $when }.
calendar-feed-new = Adresse erstellen
calendar-feed-renew = Andere Adresse erstellen
calendar-feed-end = Adresse beenden
support-entry-title = Hilfe in einem Arbeitsbereich
support-entry-who = { $name } betritt den Arbeitsbereich { $workspace }.
support-entry-advice = Ein Eigentümer hat diesen Zugang bis { $ends } gegeben. Was geschieht, steht im Protokoll des Arbeitsbereichs.
support-entry-button = Eintreten
support-entry-spent = Der Link ist verbraucht oder zu alt, oder der Zugang ist beendet. Erzeugen Sie mit „fieldstone support enter“ einen neuen.
