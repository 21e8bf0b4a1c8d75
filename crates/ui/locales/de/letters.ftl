# Briefe. Jede Art hat einen Betreff, worum es geht, die Beschriftung ihres Links, wenn sie einen hat, und einen Schluss.
letter-hello = Hallo,
letter-hello-name = Hallo { $name },
letter-footer = Dieser Brief betrifft den Arbeitsbereich { $workspace } auf Fieldstone.

letter-invitation-subject = { $inviter } lädt Sie zu { $workspace } ein
letter-invitation-lead =
    { $inviter } hat Sie in den Arbeitsbereich { $workspace } eingeladen. Ihre Rolle: { $role }.

    Nehmen Sie die Einladung an, um Ihren Namen und ein Passwort zu wählen. Sie melden sich dann mit dieser Adresse an: { $address }
letter-invitation-button = Einladung annehmen
letter-invitation-end = Der Link gilt einmal, bis { $until }. Wenn Sie diese Einladung nicht erwartet haben, brauchen Sie nichts zu tun.

letter-password-reset-subject = Ein neues Passwort für { $workspace }
letter-password-reset-lead = Jemand, vermutlich Sie selbst, möchte für { $address } im Arbeitsbereich { $workspace } ein neues Passwort wählen.
letter-password-reset-button = Neues Passwort wählen
letter-password-reset-end =
    Der Link gilt einmal, innerhalb einer Stunde. Wenn Sie eine Authentifizierungs-App verwenden, brauchen Sie sie zum Anmelden weiterhin.

    Wenn Sie das nicht waren, brauchen Sie nichts zu tun: Ihr Passwort bleibt, wie es ist.

letter-password-changed-subject = Ihr Passwort wurde geändert
letter-password-changed-lead = Das Passwort von { $address } im Arbeitsbereich { $workspace } wurde geändert: { $when }. Alle anderen Geräte wurden abgemeldet.
letter-password-changed-end = Wenn Sie das nicht waren, wählen Sie sofort ein neues Passwort über „Passwort vergessen?“ auf der Anmeldeseite, und sagen Sie einem Admin Ihres Arbeitsbereichs Bescheid.

letter-email-new-subject = Bestätigen Sie Ihre neue Adresse für { $workspace }
letter-email-new-lead =
    Sie möchten sich im Arbeitsbereich { $workspace } mit dieser Adresse anmelden: { $address }

    Bestätigen Sie, dass es Ihre ist. Die Änderung gilt, sobald sie auch an Ihrer bisherigen Adresse bestätigt ist.
letter-email-new-button = Adresse bestätigen
letter-email-new-end = Der Link gilt einmal, innerhalb eines Tages. Wenn Sie das nicht wollten, brauchen Sie nichts zu tun.

letter-email-old-subject = Ihre Adresse für { $workspace } soll sich ändern
letter-email-old-lead =
    Jemand, der als Sie angemeldet ist, möchte sich im Arbeitsbereich { $workspace } mit einer anderen Adresse anmelden: { $email }

    Bestätigen Sie die Änderung, oder halten Sie sie auf. Sie gilt, sobald sie an beiden Adressen bestätigt ist.
letter-email-old-button = Änderung bestätigen oder aufhalten
letter-email-old-end = Der Link gilt einmal, innerhalb eines Tages. Wenn Sie das nicht waren, halten Sie die Änderung auf und wählen Sie ein neues Passwort.

letter-email-changed-subject = Ihre Adresse für { $workspace } wurde geändert
letter-email-changed-lead = Von jetzt an melden Sie sich im Arbeitsbereich { $workspace } mit { $email } an. Die Adresse { $address } öffnet nichts mehr.
letter-email-changed-end = Wenn Sie das nicht waren, sagen Sie sofort einem Admin Ihres Arbeitsbereichs Bescheid.

letter-second-factor-added-subject = Anmeldung in zwei Schritten ist an
letter-second-factor-added-lead = Die Anmeldung im Arbeitsbereich { $workspace } als { $address } verlangt außer dem Passwort jetzt einen Code einer Authentifizierungs-App: { $when }. Alle anderen Geräte wurden abgemeldet.
letter-second-factor-added-end = Bewahren Sie die Wiederherstellungscodes so auf, dass Sie sie ohne Ihr Telefon finden. Wenn Sie das nicht waren, sagen Sie sofort einem Admin Ihres Arbeitsbereichs Bescheid.

letter-second-factor-removed-subject = Anmeldung in zwei Schritten ist aus
letter-second-factor-removed-lead = Die Anmeldung im Arbeitsbereich { $workspace } als { $address } verlangt jetzt nur noch das Passwort: { $when }. Alle anderen Geräte wurden abgemeldet.
letter-second-factor-removed-end = Wenn Sie das nicht waren, wählen Sie sofort über „Passwort vergessen?“ auf der Anmeldeseite ein neues Passwort und sagen Sie einem Admin Ihres Arbeitsbereichs Bescheid.

letter-recovery-codes-made-subject = Neue Wiederherstellungscodes
letter-recovery-codes-made-lead = Für { $address } im Arbeitsbereich { $workspace } wurden neue Wiederherstellungscodes erzeugt: { $when }. Die früheren gelten nicht mehr.
letter-recovery-codes-made-end = Wenn Sie das nicht waren, wählen Sie sofort ein neues Passwort und sagen Sie einem Admin Ihres Arbeitsbereichs Bescheid.
letter-recovery-code-used-subject = Ein Wiederherstellungscode wurde benutzt
letter-recovery-code-used-lead = Ein Wiederherstellungscode hat die Authentifizierungs-App von { $address } im Arbeitsbereich { $workspace } vertreten: { $when }. Er gilt nicht mehr; übrig sind { $left }.
letter-recovery-code-used-end = Wenn Ihr Telefon weg ist, richten Sie unter Einstellungen eine neue Authentifizierungs-App ein. Wenn Sie das nicht waren, wählen Sie sofort ein neues Passwort und sagen Sie einem Admin Ihres Arbeitsbereichs Bescheid.

letter-second-factor-reset-subject = Ihr zweiter Faktor wurde entfernt
letter-second-factor-reset-lead = { $by } hat die Authentifizierungs-App Ihres Kontos im Arbeitsbereich { $workspace } entfernt: { $when }. Alle Geräte wurden abgemeldet.
letter-second-factor-reset-end = Melden Sie sich mit Ihrem Passwort an und richten Sie eine neue Authentifizierungs-App ein. Wenn Sie nicht darum gebeten haben, sagen Sie sofort einem Inhaber Ihres Arbeitsbereichs Bescheid.

letter-operator = Wer diesen Server betreibt,

letter-digest-subject = Ungelesen in { $workspace }: { $total }
letter-digest-lead = Das wartet im Arbeitsbereich { $workspace } auf Sie: { $lines }.
letter-digest-button = Ansehen
letter-digest-end = In den Einstellungen wählen Sie, was Ihnen mitgeteilt wird und ob dieser Brief kommt.
