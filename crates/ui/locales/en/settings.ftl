# Settings: what people set for themselves and for their workspace.
settings-own = You
settings-workspace = Workspace
settings-profile = Profile
settings-done-profile = Profile saved.

profile-advice = How you appear to others, and how Fieldstone writes for you.
profile-name = Name
profile-name-missing = Enter your name.
profile-name-unusable = Enter a name of at most 255 characters, on one line.
profile-locale = Language and region
profile-locale-help = Decides the language of the pages and how dates, times and numbers look.
profile-time-zone = Time zone

locale-en = English
locale-en-us = English (United States)
locale-en-gb = English (United Kingdom)
locale-de = German
locale-de-de = German (Germany)
locale-de-at = German (Austria)
locale-de-ch = German (Switzerland)

# Proving oneself again.
confirm-title = Confirm that it’s you
confirm-advice = { $person }, this change is sensitive. Enter your password again to continue.
confirm-button = Continue
confirm-wrong = That isn’t your password. Try again.
confirm-code = Or a code of your authenticator
confirm-code-button = Continue with the code

settings-password = Password
settings-two-step = Two-step sign-in
settings-sessions = Signed-in devices
settings-sign-in = Sign-in policy
settings-done-password = Password changed. You are signed out everywhere else.
settings-done-password-tokens = Password changed. You are signed out everywhere else, and your API tokens have ended.
settings-done-two-step-removed = Two-step sign-in is off.
settings-done-session-ended = Signed out there.
settings-done-sessions-ended = Signed out everywhere else.
settings-done-policy = Sign-in policy saved.

password-advice = After the change you stay signed in here. Everywhere else you are signed out: in browsers, on devices with the field app, and where applications are connected.
password-present = Present password
password-new = New password
password-repeat = New password again
password-tokens-help = Programs that use these tokens go on working. End them if somebody else may have used your account.
password-tokens-end = End these tokens too
password-button = Change password
password-too-short = Choose a password of at least 12 characters.
password-too-long = Choose a password of at most 1024 bytes; that is several paragraphs.
password-own-words = Choose something other than your name, address or workspace, or add several other words.
password-common = Many people use this password, so it is tried first. Choose another one.
password-pattern = A pattern like this is easy to guess. Add a few words that have nothing to do with each other.
password-guessable = This is easy to guess. Add another word or two.
password-same = This is the password you have. Choose a new one.

sessions-advice = Everywhere you are signed in. Sign out where you don’t recognise the device.
sessions-device = { $browser } on { $system }
sessions-unknown = Unknown device
sessions-this = This one
sessions-used = last used
sessions-began = signed in
sessions-end = Sign out
sessions-end-of = Sign out { $device }
sessions-end-others = Sign out everywhere else

two-step-advice = Besides your password, signing in asks for a code from an app on your phone. A stolen password alone opens nothing then.
two-step-on = On
two-step-off = Off
two-step-since = since { $since }
two-step-start = Set up
two-step-required = Your workspace asks for two-step sign-in. Set it up to go on.
two-step-changed = Two-step sign-in has changed meanwhile. Look at the page again.
two-step-setup-title = Set up two-step sign-in
two-step-scan = Scan this with your authenticator app
two-step-scan-advice = Any app for one-time codes will do.
two-step-drawing = QR code for your authenticator app
two-step-by-hand = Can’t scan it?
two-step-by-hand-help = Type this into the app instead: time-based, six digits, every 30 seconds. Spaces don’t matter.
two-step-code = Enter the code that the app shows
two-step-confirm = Turn on
two-step-remove-title = Turn off two-step sign-in
two-step-remove-advice = Your password alone opens your account then.
two-step-remove-ask = Enter your password and a code. You are signed out everywhere else.
two-step-remove = Turn off

recovery-title = Recovery codes
recovery-left = { $number ->
    [0] You have no recovery codes left. Make new ones now.
    [one] You have one recovery code left. Each works once, when your phone isn’t at hand.
   *[other] You have { $number } recovery codes left. Each works once, when your phone isn’t at hand.
}
recovery-renew = Make new codes
recovery-once = Keep these where you find them without your phone. Each works once. They are shown only now; codes from before no longer work.
recovery-copy = Copy
recovery-copied = Copied
recovery-download = Download
recovery-print = Print
recovery-done = I have kept them

policy-advice = Applies to everybody in this workspace. Shorter limits take effect at once.
policy-idle = Sign out when idle for
policy-idle-help = Counted from the last request of a device.
policy-absolute = Sign out in any case after
policy-absolute-help = Counted from signing in.
policy-limits = The idle time can’t be longer than the whole session. Shorten the one or lengthen the other.
policy-totp = Everybody needs two-step sign-in
policy-totp-help = Whoever hasn’t set it up can do nothing else until they have; their API tokens stop until then too.
policy-totp-own = Set it up for yourself first:
span-minutes = { $number ->
    [one] one minute
   *[other] { $number } minutes
}
span-hours = { $number ->
    [one] one hour
   *[other] { $number } hours
}
span-days = { $number ->
    [one] one day
   *[other] { $number } days
}

# Teams and what people see.
settings-teams = Teams
settings-roles = Roles
settings-done-team-made = Team made.
settings-done-team-saved = Team saved.
settings-done-team-removed = Team removed. The teams below it moved up.
settings-done-team-joined = They are in the team now.
settings-done-team-left = They have left the team.
settings-done-visibility = Saved. It counts from the next page they open.
teams-advice = Whoever sees by teams sees what everybody in their teams owns, and in the teams below.
teams-none = There are no teams yet. Make the first one below.
team-people = { $count ->
    [0] nobody in it
    [1] 1 person
   *[other] { $count } people
}
team-new = New team
team-name = Name
team-parent = Below
team-top = No other team
team-create = Make team
team-join-label = Somebody for this team
team-join = Add
team-leave = Take out
team-leave-label = Take { $name } out of the team
team-remove = Remove team
team-remove-label = Remove the team { $name }
team-bad-name = Enter a name of at most 80 characters.
team-name-taken = Another team has this name. Choose another one.
team-cycle = Choose another place: a team can’t be below itself, nor more than 20 levels deep.
team-full = There are 500 teams already. Remove some first.
visibility-title = Whose records people see
visibility-advice = Everybody sees what they own. Admins and owners see everything.
visibility-default = New people
visibility-all = Everybody’s records
visibility-team = Records of their teams
visibility-own = Their own records
visibility-by-role = sees everybody’s records
visibility-save = Save what { $name } sees
visibility-save-default = Save what new people see

# Roles.
roles-advice = This table decides what each person may do, on every page and in the API.
roles-may = May
roles-yours = yours
capability-records-read = See records
capability-records-write = Make and change records
capability-records-delete = Delete and restore records
capability-records-import = Import files of records
capability-schema-manage = Define objects, fields and pipelines
capability-users-manage = Manage people and teams, export, read the audit log
capability-workspace-manage = Set policies, keys and integrations
capability-workspace-own = Appoint owners, hand over or delete the workspace

# Objects and fields.
settings-objects = Objects and fields
objects-advice = What the workspace keeps. Add fields to what is there, or make something of your own: it has lists, forms, search, import and the API at once.
objects-full = There are too many objects already. Remove one first.
object-own = own
object-own-fields =
    { $count ->
        [one] { $count } own field
       *[other] { $count } own fields
    }
object-new = New object
object-create = Create object
object-remove = Remove this object
object-remove-advice = Removing it takes it and its records out of everybody’s sight. They stay for 30 days.
field-new = New field
field-create = Add field
field-label = Label
field-help = Help
field-type = Type
field-facts = Properties
field-options = Options
field-options-help = One on each line.
field-to = Leads to
roll-up-source = Counts or sums up
roll-up-sum = What is summed up
roll-up-filter = Only those where
roll-up-filter-help = As a list’s filter is written, such as: status = "open" and amount > 1000
roll-up-default = Default
roll-up-default-help = What a new record gets where nothing is entered. For dates, “today” works.
roll-up-defaulted = has a default
roll-up-rolled-up = worked out
order = Order of fields
order-advice = Drag a field to its place, or focus one of its buttons and press Shift with an arrow key. Everybody sees forms and records in this order.
order-up = Move { $field } up
order-down = Move { $field } down
order-reset = Put all back
order-done = Done
settings-done-order = Saved.
problem-no_default = Relations, unique fields and figures have no default.
problem-roll_up_number = Choose a number of what is counted; a field of your own must be one that lists can be filtered by.
problem-roll_up_filter = This filter can’t be read. Write it as in the example.
problem-roll_ups_full = Ten figures over related records are the most that one kind of record has, since each is worked out whenever it is shown. Remove one first.
problem-roll_up_relation = Choose something with a relation that leads here.
type-roll_up_count = Count of related records
type-roll_up_sum = Sum over related records
field-required = required
field-unique = unique
field-indexed = can be filtered
field-restricted = restricted
field-required-long = Must have a value from now on
field-unique-long = No two records share a value
field-indexed-long = Lists can be filtered and sorted by it
field-searchable-long = Search finds its words
field-readers = Who sees it
field-writers = Who sets it
field-from-viewer = Everybody
field-from-member = Members and above
field-from-admin = Admins and above
field-from-owner = Owners
field-remove = Remove this field
field-removed-list = Removed fields
field-removed-advice = Removed fields disappear for everybody. Their data is kept for 30 days, and until then they can be restored.
settings-done-object = Made. Now add fields to it.
settings-done-field = Field added.
settings-done-field-removed = Field removed. It can be brought back for 30 days.
settings-done-field-restored = The field is back, with its data.
settings-done-object-removed = Object removed.
settings-done-field-saved = Field saved.

settings-notifications = Notifications
settings-done-notifications = Your choice is saved.
notifications-advice = What is told to you stands under Notifications in the navigation.
notifications-wanted = Tell me when
notifications-mail = By mail
notifications-daily = Once a day, a letter about what I left unread

settings-automation = Automation
settings-webhooks = Webhooks
settings-done-rule-made = The rule is there, switched off. Try it out, then switch it on.
settings-done-rule-saved = The rule is saved.
settings-done-rule-on = The rule is on.
settings-done-rule-off = The rule is off.
settings-done-rule-removed = The rule is gone.
settings-done-webhook-saved = The webhook is saved.
settings-done-webhook-removed = The webhook is gone.
settings-done-webhook-replayed = It is being sent again.
automation-advice = A rule looks at records when they are made, changed or reach a day, and does what you say. It acts with the rights of the role that you choose, and what it changes starts no other rule.
automation-none = There is no rule yet. Choose what it is about and make one.
automation-of = About
automation-new = New rule
automation-new-title = New rule about { $objects }
automation-account = Rules ({ $role })
automation-starts-created = when one is made
automation-starts-changed = when one is changed
automation-starts-date = when a day has come
automation-on = on
automation-off = off
automation-stopped = stopped
automation-stopped-advice = This rule ran more than ten thousand times in an hour and was switched off. Narrow it before you switch it on again.
automation-runs =
    { $count ->
        [one] { $count } time this week
       *[other] { $count } times this week
    }
automation-failed = { $count } failed
automation-try = Try it out
automation-switch-on = Switch on
automation-switch-off = Switch off
automation-when = When
automation-fields = Only if one of these fields changes
automation-date-field = Day
automation-days = Days after it
automation-days-help = A negative number means before it.
automation-if = Only if
automation-if-help = For example: amount > 10000 and status = "open"
condition-always = Always. Add a condition to narrow it down; all of them have to hold.
condition-add = Add condition
condition-remove = Remove condition: { $condition }
condition-no-field = Choose the field that the condition is about.
condition-unfinished = Choose what has to hold for this field, or leave the field empty.
condition-read = Take over as conditions
condition-typed = As text
condition-text = Condition as text
automation-set = Set fields
automation-set-help = In place of a value you can write :today, :today+7 or :owner. Empty clears the field.
automation-task = Task
automation-task-do = Make a task about the record
automation-task-subject = Subject
automation-task-days = Due after days
automation-whom = For
automation-owner = the record’s owner
automation-notify = Notification
automation-notify-do = Tell somebody
automation-notify-text = Text
automation-webhook = Tell another system
automation-webhook-help = It is sent the record as the rule’s role sees it, signed.
automation-role = Acts with the rights of
automation-role-help = The rule can do what this role can do, and no more.
automation-log = What it did
automation-log-none = Nothing yet.
automation-outcome-done = done
automation-outcome-passed = didn’t fit
automation-outcome-failed = failed
automation-remove = Remove rule
automation-trial = Trial
automation-trial-advice = What the rule would do to the records that fit it and were changed last. Nothing is changed here.
automation-trial-none = No record fits the rule now.
automation-effect-task = New task: { $name }
automation-effect-notify = Tells: { $text }
automation-effect-webhook = Tells the other system
automation-effect-none = Nothing would change
automation-object-problem = This object is gone.
automation-name-problem = Enter a name of at most 255 characters.
automation-date-problem = Choose the field with the day.
automation-days-problem = Enter a number of days between 0 and 3650; for a day, also a negative one.
automation-filter-problem = This condition can’t be read.
automation-set-problem = This field can’t be set.
automation-value-problem = This value doesn’t fit the field.
automation-text-problem = Enter a text of at most 200 characters.
automation-nothing-problem = The rule does nothing yet: set a field, make a task, tell somebody or another system.
webhooks-advice = Rules tell these addresses what happens. Each message is signed: the header Fieldstone-Signature holds “v1=” and the HMAC-SHA256 of the header Fieldstone-Timestamp, a dot and the body, in hexadecimal, under the secret. Refuse what is older than five minutes. What isn’t answered with a status from 200 to 299 is sent again for a day.
webhook-new = New webhook
webhook-url = Address
webhook-url-help = An https address on the public internet.
webhook-url-unreadable = Enter an address such as https://example.com/hook, without a password in it.
webhook-url-unencrypted = The address has to begin with https.
webhook-url-closed = This address lies in a network that webhooks may not reach. Whoever runs the server can open it.
webhook-active = Send what rules tell it
webhook-secret = Secret
webhook-secret-advice = The new secret counts at once, for what waits too. The old one is worth nothing any more.
webhook-secret-renew = Make a new secret
webhook-made = Made on
webhook-failed = { $count } given up
webhook-deliveries = Last messages
webhook-deliveries-none = Nothing was sent yet.
webhook-state-waiting = waiting
webhook-state-sent = sent
webhook-state-failed = given up
webhook-answer = Answered with { $status }
webhook-next = Next try: { $when }
webhook-body = Message
webhook-replay = Send again
webhook-remove = Remove webhook
webhook-remove-advice = What waits is not sent any more. Rules that use it tell nobody.
webhook-problem-timeout = No answer in time
webhook-problem-unreachable = Out of reach
webhook-problem-unknown = No such host
webhook-problem-closed = In a network that webhooks may not reach
webhook-problem-unreadable = The address can’t be read
webhook-problem-secret = The secret can’t be opened
webhook-problem-broken = It could not be sent
settings-backups = Backups
settings-ending = End of the workspace
settings-support = Access for support
support-advice = Let whoever helps into this workspace for a while, without an account of their own. Access is for one person, ends by itself, and every entry stands in the audit log.
support-none = Nobody was let in so far.
support-give = Let somebody in
support-operator = Who helps
support-email = Their e-mail address
support-email-help = Whoever runs the installation makes a link for this address, which works once.
support-reason = What for
support-how-long = For how long
support-hours = { $hours ->
    [one] 1 hour
   *[other] { $hours } hours
}
support-may-write = May change records, too
support-button = Let them in
support-until = Open until { $at }
support-ended = Ended { $at }
support-ended-by = Ended by { $name }, { $at }
support-given-by = given by { $name }, { $at }
support-reads = reads only
support-writes = changes records
support-entered = came in { $times ->
    [one] once
   *[other] { $times } times
}, last { $at }
support-never-entered = never came in
support-end = End access
support-end-of = End the access of { $name }
support-no-operator = Say who it is in at most 100 characters, so that everybody can see it later.
support-long-reason = Say what it is for in at most 500 characters.
support-no-email = Give the e-mail address of the person who helps.
settings-done-support-given = Access is open. Whoever runs the installation can make the link now.
settings-done-support-ended = Access has ended.
settings-usage = Use
usage-advice = What this workspace uses, and how much of it there may be. Whoever runs this installation sets the limits.
usage-records = Records
usage-records-help = Deleted ones count until they can’t be restored any more. When the limit is reached, what is there can be changed and removed, and nothing new is taken; devices keep what they couldn’t send.
usage-files = Files
usage-files-help = The content of all attachments, also of those that are on their way.
usage-of = { $used } of { $most }
usage-without = { $used }, without a limit
usage-full = Full
usage-requests = Requests of programs
usage-requests-most = { $most } a minute at most
usage-requests-any = Without a limit
usage-requests-help = Calls of the API and of devices, on all servers together. Programs beyond it are told when to come again; pages are never held back.
backups-advice = What this installation has backed up, and whether it could be restored. Backups are encrypted.
backups-made = Backups
backups-none = No backup was made yet. Ask whoever runs this installation.
backups-good = Done
backups-failed = Failed
backups-full = Full
backups-changes = Changes since the last full one
backups-sizes = { $database } kept in { $kept }
backups-drills = Practised restores
backups-drills-advice = Once a week the last backup is restored beside the database, checked and removed again.
backups-no-drills = No restore was practised yet.
backups-rpo = { $seconds } s of work would have been lost
backups-rto = back after { $seconds } s
ending-advice = Ends this workspace for everybody in it. You have 30 days to change your mind.
ending-pending = This workspace ends on { $ends }.
ending-asked-by = { $name } asked for it on { $at }.
ending-asked-operator = Whoever runs this installation asked for it on { $at }.
ending-what = What happens when
ending-until = Until { $ends } everything goes on as it is, and an owner can take it back. Export what you need until then.
ending-keys = Then the workspace’s keys are destroyed. Files, second factors and what devices have sealed can’t be read any more from that moment, in no copy and no backup.
ending-rows = Records, people, history and the audit log are removed right after that.
ending-backups = Records that were not sealed leave the last backup by { $gone }.
ending-backups-unknown = Records that were not sealed leave the backups when those are too old. Whoever runs this installation knows when.
ending-type = Type { $workspace } to confirm
ending-different = That isn’t the workspace’s name. Type it exactly as it stands above.
ending-button = End the workspace in 30 days
ending-stop = Keep the workspace
settings-done-ending-asked = The workspace ends in 30 days. An owner can take that back here.
settings-done-ending-stopped = The workspace stays.

settings-personal-data = Personal data
personal-advice = Somebody asks what you know of them, or wants it erased: look for their name, address or number in all records you can see.
personal-search = Name, e-mail address or number
personal-none = Nothing was found. Try another spelling, or only a part of what you know.
personal-found = What was found
personal-open = Open
personal-check = Untick what is about somebody else. Files on a record go along with it.
personal-export = Export as JSON
personal-erase = Erase for good
personal-stays = What stays, and why
personal-stays-audit = The audit log: it proves who did what, and holds no values of records.
personal-stays-others = Mentions in the free text of records that aren’t ticked. Open and edit them.
personal-stays-devices = Devices remove their copy at their next contact.
personal-stays-backups = Backups hold what was there until they are too old; nobody restores single records from them.
settings-done-personal-data-erased = Erased for good, with its history and files.
settings-calendar = Calendar elsewhere
settings-done-calendar-ended = The address is worth nothing any more.
calendar-address = Address
calendar-feed-advice = Other calendar programs can show your events and tasks when you give them an address of your own. Whoever has the address can read them, so keep it to yourself.
calendar-feed-made = Your address was made on { $when }.
calendar-feed-read = It was last read on { $when }.
calendar-feed-new = Make an address
calendar-feed-renew = Make another address
calendar-feed-end = End the address
support-entry-title = Help in a workspace
support-entry-who = { $name } enters the workspace { $workspace }.
support-entry-advice = An owner has given this access until { $ends }. What happens stands in the workspace’s audit log.
support-entry-button = Enter
support-entry-spent = The link is used up or too old, or the access has ended. Make another one with “fieldstone support enter”.
