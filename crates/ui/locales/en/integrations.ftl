# API tokens, service accounts, applications and the audit log.
scope-records-read = See records
scope-records-write = Create and change records
scope-records-delete = Delete and restore records
scope-records-import = Import files of records
scope-schema-manage = Change fields, objects and forms
scope-users-manage = Manage people, export records, and read the audit log
scope-workspace-manage = Change policies, keys and integrations
scope-workspace-own = Transfer or delete the workspace

consent-title = Allow access
consent-heading = { $application } asks for access
consent-as = You are signed in as { $person } in { $workspace }.
consent-may = If you allow it, this application can do the following in your name, and never more than you can:
consent-built-in = It is part of Fieldstone.
consent-registered = An admin of your workspace has registered it.
consent-back-host = Afterwards you go on at { $host }.
consent-back-computer = Afterwards you go on in a program on this device. Allow it only if you have just started it yourself.
consent-withdraw = You can take this back at any time under Settings, Connected applications.
consent-allow = Allow
consent-deny = Don’t allow
consent-stop-title = There is nothing to allow here
consent-unknown = No application of this name is registered in your workspace. Check that you are signed in to the right workspace, or ask an admin to register it.
consent-off = An admin has switched this application off in your workspace. Ask them if you need it.
consent-address = The application wants you sent to an address that isn’t registered for it, so you stay here. Tell whoever runs it.

redirect-none = Enter at least one address, and at most twenty.
redirect-not-plain = Write each address in its plain form: no spaces, no dots like “../”, no capital letters in the scheme or host.
redirect-extra = Leave out what stands behind “#” and before “@”.
redirect-scheme = Use https, http://127.0.0.1 or http://[::1], or a scheme of the application’s own such as com.example.app:/callback.
scopes-none = Choose at least one.
application-name-problem = Enter a name of at most 255 characters.

settings-tokens = API tokens
settings-connected = Connected applications
settings-service-accounts = Service accounts
settings-applications = Applications
settings-token-policy = Token policy
settings-audit = Audit log
settings-done-token-revoked = Token revoked. It opens nothing any more.
settings-done-grant-ended = Signed out there.
settings-done-consent-withdrawn = Withdrawn. The application has to ask you again.
settings-done-service-made = Service account made. Make a token for its program next.
settings-done-service-saved = Service account saved.
settings-done-application-made = Application registered.
settings-done-application-saved = Application saved.
settings-done-application-on = Application switched on.
settings-done-application-off = Application switched off. Everybody is signed out of it.
settings-done-application-removed = Application removed.
settings-done-token-policy = Token policy saved.

program-name-missing = Enter a name.
program-name-unusable = Enter a name of at most 255 characters, on one line.
secret-once = Copy it now and keep it in a safe place. It isn’t shown again.
secret-kept = I have copied it

token-advice = A token lets a program use the API in your name. It can never do more than you can, and it expires.
token-none = You have no tokens.
token-new = New token
token-make = Make the token
token-name = Name
token-name-help = What it is for, so that you know it again.
token-scopes = What it may do
token-everything = Everything you may do
token-used = Last used
token-never-used = Never
token-ends = Ends
token-revoke = Revoke
token-days-label = How long it lives
token-days = { $days ->
    [one] one day
   *[other] { $days } days
}
token-days-problem = Choose one of the times your workspace allows.
token-made = The token “{ $name }” is made
token-secret = Token

connected-advice = Devices and applications that are signed in for you, and what you have allowed.
connected-signed-in = Signed in
connected-none = No device and no application is signed in for you.
connected-since = Signed in { $made } from { $address } · last used { $used }
connected-end = Sign out
connected-allowed = Allowed
connected-allowed-advice = You have agreed to these. Withdraw it to be asked again, and to sign the application out everywhere.
connected-withdraw = Withdraw

service-advice = For programs that belong to nobody in particular. Nobody signs in as one: it has tokens, and nothing else.
service-none = There are no service accounts yet.
service-new = New service account
service-make = Make the service account
service-role = Role
service-role-help = Its tokens can never do more than this role.
service-role-problem = Choose a role that isn’t above your own.
service-tokens = Tokens
service-off = Switched off
service-token-none = It has no tokens yet, so nothing uses it.
service-change = Name and role
service-switch-off = Switch off
service-switch-off-advice = Its tokens end at once and for good. You can switch it on again and make new ones.
service-switch-on = Switch on
service-switch-on-advice = It gets no old token back. Make new ones afterwards.

application-advice = Programs that may ask people of this workspace for access. What each person allows is up to them.
application-new = Register an application
application-register = Register
application-name-help = What people read when it asks them for access.
application-built-in = Built in
application-kind = Where it runs
application-public = On people’s devices or in their browsers: it can’t keep a secret
application-confidential = On a server: it proves itself with a secret
application-addresses = Addresses to go back to
application-addresses-help = One on each line, exactly as the application sends it, such as https://app.example/callback. For a program on people’s computers: http://127.0.0.1/callback, with any port, or a scheme such as com.example.app:/callback.
application-client-id = Client ID
application-secret = Client secret
application-secret-made = The secret of “{ $name }”
application-secret-advice = If it may have leaked, make a new one. The one before is worth nothing from then on.
application-secret-renew = Make a new secret
application-switch-off-advice = Nobody can sign in with it, and everybody who has is signed out until it is switched on again.
application-switch-on-advice = People can sign in with it again.
application-remove = Remove the application
application-remove-advice = It is forgotten with everything that people have allowed it. This can’t be undone.

token-policy-advice = How long tokens of this workspace may live. It counts for those that are made from now on.
token-policy-days = Longest lifetime of an API token, in days
token-policy-days-help = 1 to 366. Fewer are safer: a forgotten token ends by itself.
token-policy-days-problem = Enter a whole number from 1 to 366.
token-policy-minutes = Lifetime of an application’s access token, in minutes
token-policy-minutes-help = 15 to 60. Applications renew it by themselves.
token-policy-minutes-problem = Enter a whole number from 15 to 60.

audit-advice = Who did what, and when. Nobody can change or remove an entry, and a check tells if somebody got around that.
audit-actor = Who
audit-anyone = Anybody
audit-somebody = somebody
audit-operator = an operator
audit-system = the system
audit-action = What
audit-anything = Anything
audit-something = something
audit-target = On whom or what (ID)
audit-from = From
audit-until = Until
audit-show = Show
audit-none = Nothing was found.
audit-detail = Details of entry { $number }
audit-older = Older entries
audit-take = Export
audit-take-advice = Everything that the filter above finds, oldest first. That you did so stands in the log too.
audit-csv = Download CSV
audit-jsonl = Download JSON Lines
audit-check = Check the chain
audit-check-advice = Every entry carries a fingerprint of the one before. The check works them all out again.
audit-whole = { $events ->
    [one] The one entry is as it was written.
   *[other] All { $events } entries are as they were written, and none is missing.
}
audit-broken = Entry { $event } isn’t as it was written, or entries before it are missing. Tell whoever runs this server.
