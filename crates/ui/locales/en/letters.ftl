# Letters. Each kind has a subject, what it is about, the label of its link if it carries one, and an end.
letter-hello = Hello,
letter-hello-name = Hello { $name },
letter-footer = This letter concerns the workspace { $workspace } on Fieldstone.

letter-invitation-subject = { $inviter } invites you to { $workspace }
letter-invitation-lead =
    { $inviter } has invited you to the workspace { $workspace } as { $role }.

    Accept the invitation to choose your name and a password. You will sign in with this address: { $address }
letter-invitation-button = Accept the invitation
letter-invitation-end = The link works once, until { $until }. If you did not expect this invitation, you need not do anything.

letter-password-reset-subject = A new password for { $workspace }
letter-password-reset-lead = Somebody, probably you, wants to choose a new password for { $address } in the workspace { $workspace }.
letter-password-reset-button = Choose a new password
letter-password-reset-end =
    The link works once, within an hour. If you use an authenticator app, you will still need it to sign in.

    If this wasn’t you, you need not do anything: your password stays as it is.

letter-password-changed-subject = Your password was changed
letter-password-changed-lead = The password of { $address } in the workspace { $workspace } was changed on { $when }. All other devices and applications have been signed out.
letter-password-changed-end = If this wasn’t you, choose a new password at once with “Forgot your password?” on the sign-in page, and tell an admin of your workspace.

letter-email-new-subject = Confirm your new address for { $workspace }
letter-email-new-lead =
    You want to sign in to the workspace { $workspace } with this address: { $address }

    Confirm that it is yours. The change takes effect once it has been confirmed at your present address too.
letter-email-new-button = Confirm this address
letter-email-new-end = The link works once, within a day. If you did not ask for this, you need not do anything.

letter-email-old-subject = Your address for { $workspace } is about to change
letter-email-old-lead =
    Somebody who is signed in as you wants to sign in to the workspace { $workspace } with another address: { $email }

    Confirm the change, or stop it. It takes effect once it has been confirmed at both addresses.
letter-email-old-button = Confirm or stop the change
letter-email-old-end = The link works once, within a day. If this wasn’t you, stop the change and choose a new password.

letter-email-changed-subject = Your address for { $workspace } has changed
letter-email-changed-lead = From now on you sign in to the workspace { $workspace } with { $email }. The address { $address } opens nothing any more.
letter-email-changed-end = If this wasn’t you, tell an admin of your workspace at once.

letter-second-factor-added-subject = Two-step sign-in is on
letter-second-factor-added-lead = Since { $when }, signing in to the workspace { $workspace } as { $address } takes a code of an authenticator app besides the password. All other devices have been signed out.
letter-second-factor-added-end = Keep the recovery codes where you find them without your phone. If this wasn’t you, tell an admin of your workspace at once.

letter-second-factor-removed-subject = Two-step sign-in is off
letter-second-factor-removed-lead = Since { $when }, signing in to the workspace { $workspace } as { $address } takes the password alone. All other devices have been signed out.
letter-second-factor-removed-end = If this wasn’t you, choose a new password at once with “Forgot your password?” on the sign-in page, and tell an admin of your workspace.

letter-recovery-codes-made-subject = New recovery codes
letter-recovery-codes-made-lead = On { $when }, new recovery codes were made for { $address } in the workspace { $workspace }. Those from before work no more.
letter-recovery-codes-made-end = If this wasn’t you, choose a new password at once and tell an admin of your workspace.
letter-recovery-code-used-subject = A recovery code was used
letter-recovery-code-used-lead = On { $when }, a recovery code stood in for the authenticator app of { $address } in the workspace { $workspace }. It works no more; { $left } are left.
letter-recovery-code-used-end = If your phone is gone, set up a new authenticator app under Settings. If this wasn’t you, choose a new password at once and tell an admin of your workspace.

letter-second-factor-reset-subject = Your second factor was removed
letter-second-factor-reset-lead = { $by } removed the authenticator app from your account in the workspace { $workspace } on { $when }. All devices have been signed out.
letter-second-factor-reset-end = Sign in with your password and set up a new authenticator app. If you did not ask for this, tell an owner of your workspace at once.

letter-operator = Whoever runs this server

letter-digest-subject = Unread in { $workspace }: { $total }
letter-digest-lead = This waits for you in the workspace { $workspace }: { $lines }.
letter-digest-button = See what it is
letter-digest-end = Under Settings you choose what you are told, and whether this letter comes.
