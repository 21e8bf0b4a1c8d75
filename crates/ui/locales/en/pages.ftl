# Home, lists, records, forms, search.
show-all = Show all
value-none = none
person-unknown = Someone
record-unknown = a record that is gone
record-untitled = Untitled

home-greeting = Hello, { $name }
home-open-amount = My open deals
home-open-count = Open deals
home-won-month = Won this month
home-late-tasks = Overdue tasks
home-tasks = My open tasks
home-tasks-none = Nothing to do. Add a task to a record and it shows up here.
home-closing = My deals closing soon
home-closing-none = None of your open deals has a close date in the next 30 days.
home-recent = Recently changed
home-recent-none = Nothing has been changed yet.

list-new = New { $object }
list-search = Search { $object }
list-deleted = Deleted
list-deleted-title = Deleted { $objects }
list-deleted-none = Nothing is deleted
list-deleted-advice = What you delete stays here and can be restored.
list-sort = Sort
list-sort-newest = Newest first
list-sort-ascending = { $field }, ascending
list-sort-descending = { $field }, descending
list-count-ask = Count records
list-count =
    { $count ->
        [one] { $shown } record
       *[other] { $shown } records
    }
list-count-here =
    { $count ->
        [one] { $shown } record on this device
       *[other] { $shown } records on this device
    }
list-pages = Pages
list-previous = Previous
list-next = Next
list-none = No { $object } yet
list-none-match = No { $object } match
list-none-match-advice = Every filter narrows the list further. Remove one, or look for fewer words.

filter = Filter
filters = Filters
filters-clear = Remove all filters
filter-field = Field
filter-test = Condition
filter-value = Value
filter-add = Add filter
filter-remove = Remove filter: { $filter }
filter-needs-value = Enter a value to compare with.
filter-broken-title = A filter doesn’t work any more
filter-broken = It names a field or value that doesn’t exist here. Remove it to see records again.
test-contains = contains
test-starts = starts with
test-equal = is
test-not_equal = is not
test-less = is less than
test-greater = is more than
test-before = is before
test-after = is after
test-me = is me
test-empty = is empty
test-filled = has a value

section-details = Details
section-person = Person
section-reach = Reach
section-address = Address
section-progress = Progress
section-more = More

record-edit = Edit
record-delete = Delete
record-deleted = This record is deleted.
record-deleted-advice = It was deleted on { $when } and can be restored.
record-restore = Restore
related-all = All { $objects }
related-add = Add to this record

history = History
history-title = History of { $name }
history-older = Show older changes
history-created = { $person } created this record
history-updated = { $person } made changes
history-deleted = { $person } deleted this record
history-restored = { $person } restored this record

form-new-title = New { $object }
form-edit-title = Edit { $name }
form-optional = optional
form-save = Save
form-save-another = Save and add another
form-cancel = Cancel
form-errors = Some entries need another look
options-none = Nothing found

collision-title = { $name } changed meanwhile
collision-advice = { $person } changed this record while you were editing it. Nothing has been overwritten: choose for each field below what it should be.
collision-before = before: { $value }
collision-theirs = What is there now
collision-mine = What you entered
collision-others = Also changed meanwhile
collision-discard = Discard my changes

lead-convert = Convert lead
conversion-title = Convert { $name }
conversion-advice = The lead becomes a contact at an account, and a deal if you like. It keeps its history and points to what became of it.
conversion-account = Account
conversion-new = New account “{ $name }”
conversion-existing = An account that exists already
conversion-which = Which account
conversion-deal = Deal
conversion-with-deal = Start a deal
conversion-deal-name = Name of the deal

notice-created = { $object } “{ $name }” created.
notice-saved = Saved.
notice-merged = Saved, together with changes that somebody else made meanwhile.
notice-unchanged = Nothing was changed.
notice-deleted = { $object } “{ $name }” deleted.
notice-restored = { $object } “{ $name }” restored.
notice-converted = { $object } “{ $name }” converted.
notice-open = Open
notice-undo = Undo

search-title = Results for “{ $words }”
search-hint = Names, e-mail addresses, telephone numbers …
search-none = Nothing found
search-none-advice = Words are found by their beginnings. Try fewer or shorter ones.

attachment-add = Add files
attachment-files = Files
attachment-help = Any kind of file, up to 1 GiB each. You can also drop files on this page.
attachment-choose = Choose at least one file, and no more than twenty.
attachment-upload = Upload
attachment-sending = Sending {"{"}name{"}"} …
attachment-failed = The file didn't get through. Try again.
attachment-too-large = This file is larger than 1 GiB.
attachment-download = Download
attachment-waiting = The content hasn't arrived yet. It comes from the device it was added on, at its next synchronization.
