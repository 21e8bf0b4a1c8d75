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
consent-may = If you allow it, this application may, in your name and never more than you yourself:
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
