# Ein Satz zu jedem Ereignis des Protokolls. `actor` und `target` sind Namen, wo sie bekannt sind.
audit-workspace-create = { $actor } hat den Arbeitsbereich angelegt.
audit-user-add = { $actor } hat { $target } hinzugefügt.
audit-setup-link-make = { $actor } hat einen Einrichtungslink für { $target } erstellt.
audit-session-start = { $actor } hat sich angemeldet.
audit-session-end = Eine Sitzung von { $target } wurde durch { $actor } beendet.
audit-session-refuse = Eine Anmeldung als { $target } wurde abgelehnt.
audit-password-set = Das Passwort von { $target } wurde durch { $actor } gesetzt.
audit-api-token-add = { $actor } hat ein API-Token für { $target } erstellt.
audit-api-token-end = { $actor } hat ein API-Token von { $target } widerrufen.
audit-proof-give = { $actor } hat die eigene Identität bestätigt.
audit-proof-refuse = { $actor } konnte die eigene Identität nicht bestätigen.
audit-profile-update = { $actor } hat das eigene Profil geändert.
audit-letter-give-up = Ein Brief konnte nicht zugestellt werden und wurde aufgegeben.
audit-device-register = { $actor } hat sich auf einem Gerät zum Arbeiten ohne Netz angemeldet: { $target }.
audit-device-revoke = { $actor } hat ein Gerät von der Liste genommen: { $target }.
