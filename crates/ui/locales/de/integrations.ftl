# API-Token, Dienstkonten, Anwendungen und das Protokoll.
scope-records-read = Datensätze sehen
scope-records-write = Datensätze anlegen und ändern
scope-records-delete = Datensätze löschen und wiederherstellen
scope-records-import = Dateien mit Datensätzen importieren
scope-schema-manage = Felder, Objekte und Formulare ändern
scope-users-manage = Personen verwalten, Datensätze exportieren und das Protokoll lesen
scope-workspace-manage = Richtlinien, Schlüssel und Anbindungen ändern
scope-workspace-own = Den Arbeitsbereich übertragen oder löschen

consent-title = Zugriff erlauben
consent-heading = { $application } bittet um Zugriff
consent-as = Sie sind als { $person } in { $workspace } angemeldet.
consent-may = Wenn Sie es erlauben, darf diese Anwendung in Ihrem Namen, und nie mehr als Sie selbst:
consent-built-in = Sie gehört zu Fieldstone.
consent-registered = Ein Admin Ihres Arbeitsbereichs hat sie registriert.
consent-back-host = Danach geht es bei { $host } weiter.
consent-back-computer = Danach geht es in einem Programm auf diesem Gerät weiter. Erlauben Sie es nur, wenn Sie es gerade selbst gestartet haben.
consent-withdraw = Sie können das jederzeit unter Einstellungen, Verbundene Anwendungen zurücknehmen.
consent-allow = Erlauben
consent-deny = Nicht erlauben
consent-stop-title = Hier gibt es nichts zu erlauben
consent-unknown = In Ihrem Arbeitsbereich ist keine Anwendung dieses Namens registriert. Prüfen Sie, ob Sie im richtigen Arbeitsbereich angemeldet sind, oder bitten Sie einen Admin, sie zu registrieren.
consent-off = Ein Admin hat diese Anwendung in Ihrem Arbeitsbereich ausgeschaltet. Fragen Sie nach, wenn Sie sie brauchen.
consent-address = Die Anwendung möchte Sie an eine Adresse schicken, die nicht für sie registriert ist; deshalb bleiben Sie hier. Sagen Sie es ihrem Betreiber.

redirect-none = Geben Sie mindestens eine und höchstens zwanzig Adressen ein.
redirect-not-plain = Schreiben Sie jede Adresse in ihrer einfachen Form: ohne Leerzeichen, ohne Punkte wie „../“, ohne Großbuchstaben in Schema und Rechnername.
redirect-extra = Lassen Sie weg, was hinter „#“ und vor „@“ steht.
redirect-scheme = Verwenden Sie https, http://127.0.0.1 oder http://[::1], oder ein eigenes Schema der Anwendung wie com.example.app:/callback.
scopes-none = Wählen Sie mindestens eines.
application-name-problem = Geben Sie einen Namen mit höchstens 255 Zeichen ein.
