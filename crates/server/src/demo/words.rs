//! Words that demo data is made of. People, companies and places are invented; numbers and addresses are of ranges kept for examples.

/// Beginnings of place and company names.
pub(super) const STEMS: &[&str] = &[
    "Alder", "Amber", "Ashen", "Bracken", "Briar", "Calder", "Carrow", "Cedar", "Cinder", "Copper",
    "Dun", "Elder", "Ember", "Fallow", "Fenn", "Gorse", "Hazel", "Heather", "Hollow", "Juniper",
    "Kestrel", "Lark", "Linden", "Marl", "Merrin", "Mistle", "Moss", "Nettle", "Oaken", "Osier",
    "Pebble", "Quill", "Raven", "Rowan", "Sedge", "Silver", "Sorrel", "Tarn", "Thistle", "Umber",
    "Vetch", "Willow", "Wren", "Yarrow",
];

/// Ends of place and company names.
pub(super) const ENDS: &[&str] = &[
    "beck", "brook", "bury", "combe", "croft", "dale", "field", "gate", "ham", "holt", "hurst",
    "ley", "mere", "more", "stead", "stow", "wick", "worth",
];

/// What companies do, with the industry it is.
pub(super) const TRADES: &[(&str, &str)] = &[
    ("Joinery", "construction"),
    ("Roofing", "construction"),
    ("Builders", "construction"),
    ("Castings", "manufacturing"),
    ("Tooling", "manufacturing"),
    ("Ceramics", "manufacturing"),
    ("Precision", "manufacturing"),
    ("Textiles", "manufacturing"),
    ("Foods", "retail"),
    ("Outfitters", "retail"),
    ("Markets", "retail"),
    ("Freight", "transport"),
    ("Logistics", "transport"),
    ("Rail Works", "transport"),
    ("Farms", "agriculture"),
    ("Orchards", "agriculture"),
    ("Clinics", "healthcare"),
    ("Instruments", "healthcare"),
    ("Hotels", "hospitality"),
    ("Catering", "hospitality"),
    ("Power", "energy"),
    ("Solar", "energy"),
    ("Systems", "technology"),
    ("Software", "software"),
    ("Schools", "education"),
    ("Partners", "services"),
    ("Facilities", "services"),
];

/// First names.
pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Adrian", "Aisha", "Alma", "Anton", "Arjun", "Astrid", "Bea", "Benno", "Bianca", "Carl",
    "Carmen", "Cleo", "Dalia", "Darius", "Delia", "Edgar", "Elena", "Elif", "Emil", "Esme",
    "Farah", "Felix", "Fiona", "Gael", "Greta", "Hanna", "Hugo", "Ida", "Imran", "Ines", "Ivo",
    "Jana", "Jasper", "Joao", "Jonas", "Kaya", "Kenji", "Lara", "Leif", "Lena", "Lionel", "Lucia",
    "Magnus", "Maja", "Marta", "Mei", "Milan", "Mina", "Nadia", "Nils", "Noor", "Olive", "Omar",
    "Oskar", "Paula", "Petra", "Priya", "Quentin", "Rafael", "Rosa", "Ruben", "Sami", "Selma",
    "Silas", "Sofia", "Tariq", "Tessa", "Theo", "Tilda", "Uma", "Vera", "Viktor", "Wanda", "Yara",
    "Yusuf", "Zara", "Zoltan",
];

/// Last names.
pub(super) const LAST_NAMES: &[&str] = &[
    "Abernoth",
    "Ackerley",
    "Aldermoor",
    "Barrowin",
    "Bellwether",
    "Birchall",
    "Brandreth",
    "Calloway",
    "Carrowmere",
    "Corvane",
    "Dallimere",
    "Danforth",
    "Deverell",
    "Drummore",
    "Eastlake",
    "Elverton",
    "Fairholm",
    "Fenwright",
    "Galbrook",
    "Garrowin",
    "Greymont",
    "Hallowell",
    "Harrowgate",
    "Havelin",
    "Iverness",
    "Jessamy",
    "Kellaway",
    "Kestrelin",
    "Lanmere",
    "Larkwell",
    "Lindqvar",
    "Lorimond",
    "Maddrell",
    "Marchmain",
    "Merriden",
    "Mossgrove",
    "Nethercott",
    "Northgale",
    "Oakhurst",
    "Ormerod",
    "Pellandine",
    "Penhallow",
    "Quillfeather",
    "Radmere",
    "Ravensby",
    "Rookwood",
    "Sallowby",
    "Sandringer",
    "Silverton",
    "Stannimore",
    "Tarrowby",
    "Thornevale",
    "Trelawney",
    "Underhay",
    "Vantreight",
    "Varley",
    "Wetherill",
    "Whitlocke",
    "Winterbourne",
    "Woodfine",
    "Yardleigh",
    "Zellander",
];

/// Regions.
pub(super) const REGIONS: &[&str] = &["Westmark", "Eastmark", "Northreach", "Southvale", "Midlow"];

/// Streets without their numbers.
pub(super) const STREETS: &[&str] = &[
    "Mill Lane",
    "Foundry Road",
    "Canal Street",
    "Station Road",
    "Orchard Way",
    "Bridge Street",
    "Quarry Hill",
    "Harbour Walk",
    "Market Square",
    "Tannery Row",
    "Observatory Lane",
    "Old Post Road",
    "Ropewalk",
    "Windmill Close",
];

/// What people do.
pub(super) const JOBS: &[&str] = &[
    "Purchasing Manager",
    "Head of Operations",
    "Workshop Lead",
    "Managing Director",
    "Facilities Manager",
    "Production Planner",
    "Finance Director",
    "Site Manager",
    "Procurement Specialist",
    "Maintenance Engineer",
    "Office Manager",
    "Health and Safety Officer",
    "Plant Manager",
    "Quality Lead",
    "Technical Director",
];

/// Product families with five products each: name and list price in hundredths.
pub(super) const CATALOGUE: &[(&str, [(&str, i64); 5])] = &[
    (
        "Benches",
        [
            ("Oak Bench 150", 64_900),
            ("Oak Bench 200", 82_900),
            ("Steel Bench 150", 58_900),
            ("Height-Adjustable Bench", 149_900),
            ("Fold-Away Bench", 32_900),
        ],
    ),
    (
        "Storage",
        [
            ("Drawer Cabinet 7", 71_500),
            ("Drawer Cabinet 11", 98_500),
            ("Tool Trolley", 44_900),
            ("Wall Panel Set", 21_900),
            ("Heavy Shelf 400", 38_900),
        ],
    ),
    (
        "Lifting",
        [
            ("Pallet Lifter 1000", 89_000),
            ("Scissor Table 500", 219_000),
            ("Chain Hoist 2t", 57_500),
            ("Jib Crane 250", 489_000),
            ("Gantry Crane 1t", 745_000),
        ],
    ),
    (
        "Lighting",
        [
            ("Bench Lamp Arc", 18_900),
            ("Bay Light 150", 42_900),
            ("Inspection Lamp", 7_900),
            ("Light Rail 3 m", 26_900),
            ("Daylight Panel", 31_500),
        ],
    ),
    (
        "Air",
        [
            ("Compressor 50", 119_000),
            ("Compressor 200", 389_000),
            ("Dryer Unit", 142_000),
            ("Hose Reel 20 m", 17_900),
            ("Dust Extractor", 98_000),
        ],
    ),
    (
        "Measuring",
        [
            ("Granite Plate 600", 112_000),
            ("Height Gauge 300", 48_900),
            ("Caliper Set", 23_900),
            ("Laser Level Pro", 65_900),
            ("Torque Tester", 134_000),
        ],
    ),
    (
        "Safety",
        [
            ("Fume Hood Mini", 189_000),
            ("Machine Guard Kit", 54_900),
            ("Eye Wash Station", 36_900),
            ("Acoustic Screen", 47_900),
            ("Spill Cabinet", 76_900),
        ],
    ),
    (
        "Service",
        [
            ("Installation Day", 89_000),
            ("Annual Calibration", 64_000),
            ("Workshop Planning", 120_000),
            ("Extended Warranty", 29_900),
            ("Operator Training", 75_000),
        ],
    ),
];

/// What deals are about.
pub(super) const PROJECTS: &[&str] = &[
    "workshop refit",
    "new assembly line",
    "tool storage",
    "second site",
    "lighting upgrade",
    "bench replacement",
    "crane and hoist",
    "compressed air",
    "measuring room",
    "training centre",
    "safety programme",
    "framework order",
    "spare parts",
    "annual service",
    "expansion hall 2",
    "apprentice workshop",
];

/// What comes next in a deal.
pub(super) const NEXT_STEPS: &[&str] = &[
    "Send the revised quote",
    "Call about delivery dates",
    "Site survey",
    "Meet the plant manager",
    "Wait for the budget round",
    "Demonstrate at the showroom",
    "Agree on payment terms",
    "Collect references",
];

/// Why deals are lost.
pub(super) const LOST_REASONS: &[&str] = &[
    "Price",
    "No budget",
    "Chose another supplier",
    "Project postponed",
    "No answer",
    "Delivery too late",
];

/// What tasks say.
pub(super) const TASKS: &[&str] = &[
    "Call back about the quote",
    "Send the catalogue",
    "Check delivery date",
    "Prepare the site survey",
    "Update the contact list",
    "Follow up after the visit",
    "Ask for a reference",
    "Send the contract",
    "Clarify payment terms",
    "Arrange a demonstration",
    "Thank for the order",
    "Review the discount",
];

/// What events are.
pub(super) const EVENTS: &[&str] = &[
    "Site survey",
    "Quarterly review",
    "Product demonstration",
    "Contract meeting",
    "Showroom visit",
    "Kick-off",
    "Training session",
];

/// What calls are about.
pub(super) const CALLS: &[&str] = &[
    "First conversation",
    "Questions about the quote",
    "Delivery date",
    "Price negotiation",
    "Complaint about a delivery",
    "Check-in",
    "Renewal",
    "Technical question",
];

/// What notes say: title and body.
pub(super) const NOTES: &[(&str, &str)] = &[
    (
        "Budget",
        "The budget for this year is decided in the spring. They would like two variants, one without installation.",
    ),
    (
        "Decision",
        "The plant manager decides; purchasing only checks the terms. Best reached before nine.",
    ),
    (
        "Competition",
        "Another supplier has offered earlier delivery. Our service and spare parts weigh more for them.",
    ),
    (
        "Site",
        "The hall has a low door: nothing wider than 180 cm. The floor carries 1.5 t per square metre.",
    ),
    (
        "Preference",
        "They prefer deliveries on Tuesdays and invoices by mail.",
    ),
    (
        "History",
        "Bought benches twice before and were content. One late delivery in between, settled with a discount.",
    ),
];

/// What cases are about.
pub(super) const CASES: &[&str] = &[
    "Delivery is incomplete",
    "Drawer runner jams",
    "Invoice shows the wrong address",
    "Lamp flickers",
    "Compressor loses pressure",
    "Question about the warranty",
    "Hoist inspection is due",
    "Wrong colour delivered",
    "Manual in another language",
    "Spare part needed",
    "Bench surface is damaged",
    "Return of two items",
];

/// What cases of lift service are about.
pub(super) const LIFT_CASES: &[&str] = &[
    "Door does not close",
    "Cabin stops between floors",
    "Emergency phone is silent",
    "Loud noise from the shaft",
    "Display is dark",
    "Levelling is off by 2 cm",
    "Light in the cabin is out",
    "Lift is out of service",
    "Button on floor 3 sticks",
    "Annual inspection report is missing",
];

/// Models of lifts.
pub(super) const LIFT_MODELS: &[&str] = &["Ascent 4", "Ascent 8", "Cargo 20", "Panorama", "Home S"];
