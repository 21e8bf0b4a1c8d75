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

settings-tokens = API-Token
settings-connected = Verbundene Anwendungen
settings-service-accounts = Dienstkonten
settings-applications = Anwendungen
settings-token-policy = Token-Richtlinie
settings-audit = Protokoll
settings-done-token-revoked = Token widerrufen. Es öffnet nichts mehr.
settings-done-grant-ended = Dort abgemeldet.
settings-done-consent-withdrawn = Zurückgenommen. Die Anwendung muss Sie neu fragen.
settings-done-service-made = Dienstkonto angelegt. Erstellen Sie als Nächstes ein Token für sein Programm.
settings-done-service-saved = Dienstkonto gespeichert.
settings-done-application-made = Anwendung registriert.
settings-done-application-saved = Anwendung gespeichert.
settings-done-application-on = Anwendung eingeschaltet.
settings-done-application-off = Anwendung ausgeschaltet. Alle sind dort abgemeldet.
settings-done-application-removed = Anwendung entfernt.
settings-done-token-policy = Token-Richtlinie gespeichert.

program-name-missing = Geben Sie einen Namen ein.
program-name-unusable = Geben Sie einen einzeiligen Namen mit höchstens 255 Zeichen ein.
secret-once = Kopieren Sie es jetzt und bewahren Sie es sicher auf. Es wird nicht noch einmal angezeigt.
secret-kept = Ich habe es kopiert

token-advice = Mit einem Token nutzt ein Programm die API in Ihrem Namen. Es darf nie mehr als Sie selbst und endet von allein.
token-none = Sie haben keine Token.
token-new = Neues Token
token-make = Token erstellen
token-name = Name
token-name-help = Wofür es ist, damit Sie es wiedererkennen.
token-scopes = Was es darf
token-everything = Alles, was Sie dürfen
token-used = Zuletzt benutzt
token-never-used = Nie
token-ends = Endet
token-revoke = Widerrufen
token-days-label = Wie lange es gilt
token-days = { $days ->
    [one] ein Tag
   *[other] { $days } Tage
}
token-days-problem = Wählen Sie eine Dauer, die Ihr Arbeitsbereich erlaubt.
token-made = Das Token „{ $name }“ ist erstellt
token-secret = Token

connected-advice = Geräte und Anwendungen, die für Sie angemeldet sind, und was Sie erlaubt haben.
connected-signed-in = Angemeldet
connected-none = Kein Gerät und keine Anwendung ist für Sie angemeldet.
connected-since = Angemeldet { $made } von { $address } · zuletzt benutzt: { $used }
connected-end = Abmelden
connected-allowed = Erlaubt
connected-allowed-advice = Dem haben Sie zugestimmt. Nehmen Sie es zurück, um neu gefragt zu werden und die Anwendung überall abzumelden.
connected-withdraw = Zurücknehmen

service-advice = Für Programme, die niemandem persönlich gehören. Niemand meldet sich damit an: Ein Dienstkonto hat Token und sonst nichts.
service-none = Es gibt noch keine Dienstkonten.
service-new = Neues Dienstkonto
service-make = Dienstkonto anlegen
service-role = Rolle
service-role-help = Seine Token dürfen nie mehr als diese Rolle.
service-role-problem = Wählen Sie eine Rolle, die nicht über Ihrer eigenen liegt.
service-tokens = Token
service-off = Ausgeschaltet
service-token-none = Es hat noch keine Token, also nutzt es niemand.
service-change = Name und Rolle
service-switch-off = Ausschalten
service-switch-off-advice = Seine Token enden sofort und für immer. Sie können es wieder einschalten und neue erstellen.
service-switch-on = Einschalten
service-switch-on-advice = Es bekommt kein altes Token zurück. Erstellen Sie danach neue.

application-advice = Programme, die Personen dieses Arbeitsbereichs um Zugriff bitten dürfen. Was jemand erlaubt, entscheidet jede Person selbst.
application-new = Anwendung registrieren
application-register = Registrieren
application-name-help = Was Personen lesen, wenn sie um Zugriff gebeten werden.
application-built-in = Eingebaut
application-kind = Wo sie läuft
application-public = Auf Geräten oder in Browsern: Sie kann kein Geheimnis bewahren
application-confidential = Auf einem Server: Sie weist sich mit einem Geheimnis aus
application-addresses = Adressen für den Rückweg
application-addresses-help = Eine je Zeile, genau wie die Anwendung sie sendet, etwa https://app.example/callback. Für ein Programm auf Rechnern: http://127.0.0.1/callback, mit beliebigem Port, oder ein Schema wie com.example.app:/callback.
application-client-id = Client-ID
application-secret = Client-Geheimnis
application-secret-made = Das Geheimnis von „{ $name }“
application-secret-advice = Wenn es bekannt geworden sein könnte, erstellen Sie ein neues. Das bisherige ist dann wertlos.
application-secret-renew = Neues Geheimnis erstellen
application-switch-off-advice = Niemand kann sich damit anmelden, und alle sind abgemeldet, bis sie wieder eingeschaltet wird.
application-switch-on-advice = Man kann sich wieder damit anmelden.
application-remove = Anwendung entfernen
application-remove-advice = Sie wird mit allem vergessen, was ihr erlaubt wurde. Das lässt sich nicht rückgängig machen.

token-policy-advice = Wie lange Token dieses Arbeitsbereichs gelten dürfen. Das zählt für alle, die ab jetzt erstellt werden.
token-policy-days = Höchstens so viele Tage für ein API-Token
token-policy-days-help = 1 bis 366. Weniger ist sicherer: Ein vergessenes Token endet von allein.
token-policy-days-problem = Geben Sie eine ganze Zahl von 1 bis 366 ein.
token-policy-minutes = Minuten für das Zugriffstoken einer Anwendung
token-policy-minutes-help = 15 bis 60. Anwendungen erneuern es selbst.
token-policy-minutes-problem = Geben Sie eine ganze Zahl von 15 bis 60 ein.

audit-advice = Wer was wann getan hat. Niemand kann einen Eintrag ändern oder entfernen, und eine Prüfung zeigt, wenn das jemand umgangen hat.
audit-actor = Wer
audit-anyone = Alle
audit-somebody = Jemand
audit-operator = ein Betreiber
audit-system = das System
audit-action = Was
audit-anything = Alles
audit-something = etwas
audit-target = Woran (ID)
audit-from = Von
audit-until = Bis
audit-show = Anzeigen
audit-none = Es wurde nichts gefunden.
audit-detail = Einzelheiten zu Eintrag { $number }
audit-older = Ältere Einträge
audit-take = Mitnehmen
audit-take-advice = Alles, was der Filter oben findet, Ältestes zuerst. Auch dass Sie es mitgenommen haben, steht im Protokoll.
audit-csv = CSV herunterladen
audit-jsonl = JSON Lines herunterladen
audit-check = Kette prüfen
audit-check-advice = Jeder Eintrag trägt einen Fingerabdruck des vorigen. Die Prüfung rechnet alle neu aus.
audit-whole = { $events ->
    [one] Der eine Eintrag ist, wie er geschrieben wurde.
   *[other] Alle { $events } Einträge sind, wie sie geschrieben wurden, und keiner fehlt.
}
audit-broken = Eintrag { $event } ist nicht, wie er geschrieben wurde, oder davor fehlen Einträge. Sagen Sie es dem Betreiber dieses Servers.
