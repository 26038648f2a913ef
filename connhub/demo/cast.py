"""Who and what the sample account holds. All invented."""

PEOPLE = (
    ("Ana Marković", "ana@acme.example", "super_admin"),
    ("Jon Dahl", "jon@acme.example", "admin"),
    ("Kemi Taiwo", "kemi@acme.example", "admin"),
    ("Luis Ferrer", "luis@acme.example", "admin"),
    ("Mira Sato", "mira@acme.example", "admin"),
    ("Priya Nair", "priya@acme.example", "member"),
    ("Sven Berg", "sven@acme.example", "member"),
    ("Tara O'Neill", "tara@acme.example", "member"),
    ("Wei Zhang", "wei@acme.example", "member"),
    ("Zofia Nowak", "zofia@acme.example", "member"),
)

# Integration, its project, and its flows: each step is kind, name and connection.
INTEGRATIONS = {
    ("Order to cash", "Finance"): {
        "Nightly accounts": [
            ("export", "Accounts", "sales_crm"),
            ("import", "Ledger entries", "accounting"),
        ],
        "Invoices out": [("export", "Orders", "shop"), ("import", "Invoices", "billing")],
        "Payouts in": [("export", "Payouts", "billing"), ("import", "Payout rows", "warehouse")],
    },
    ("Lead sync", "Sales"): {
        "Leads in": [("export", "Form answers", "lead_forms"), ("import", "Leads", "sales_crm")],
        "Enrich leads": [
            ("export", "New leads", "sales_crm"),
            ("import", "Lead notes", "outreach"),
        ],
    },
    ("Support insight", "Support"): {
        "Tickets to warehouse": [
            ("export", "Tickets", "support_desk"),
            ("import", "Ticket rows", "warehouse"),
        ],
        "Escalations": [
            ("export", "Urgent tickets", "support_desk"),
            ("import", "Channel posts", "team_chat"),
        ],
    },
    ("Release notes", "Engineering"): {
        "Merged work": [
            ("export", "Pull requests", "source_code"),
            ("import", "Notes", "handbook"),
        ],
        "Incident log": [("export", "Incidents", "on_call"), ("import", "Issues", "issue_tracker")],
    },
    ("People onboarding", "HR"): {
        "New hires": [("export", "Employees", "hr_records"), ("import", "Accounts", "identity")],
    },
}

# App, the integration that has it ("": it stands alone), and its external data objects.
APPS = {
    ("Field service", "Support insight"): [
        ("Customers", "sales_crm"),
        ("Spare parts", "warehouse"),
    ],
    ("Budget planner", ""): [
        ("Accounts", "accounting"),
        ("Costs", "warehouse"),
        ("Orders", "shop"),
    ],
}

# Function, the integration that has it, and the connections that it uses.
FUNCTIONS = {
    ("dunning", "Order to cash"): ["billing", "accounting"],
    ("score-lead", "Lead sync"): ["sales_crm"],
    ("currency-check", ""): ["accounting"],
}

# A flow that stands alone until somebody attaches it.
STANDALONE = ("Refund audit", [("export", "Refunds", "shop"), ("import", "Findings", "warehouse")])

# Name, link name, service, kind of auth method, status, calls a day, share of them that fail.
CONNECTIONS = (
    ("Sales CRM", "sales_crm", "salesforce", "oauth2_code", "connected", 1400, 0.004),
    ("Billing", "billing", "stripe", "api_key", "connected", 620, 0.002),
    ("Warehouse", "warehouse", "postgresql", "database", "connected", 310, 0.01),
    ("Support desk", "support_desk", "zendesk", "oauth2_code", "reconnect_needed", 240, 0.09),
    ("Campaign mail", "campaign_mail", "mailchimp", "basic", "revoked", 0, 0),
    ("Shop", "shop", "shopify", "api_key", "connected", 510, 0.006),
    ("Accounting", "accounting", "xero", "oauth2_code", "connected", 180, 0.003),
    ("Lead forms", "lead_forms", "typeform", "bearer", "connected", 90, 0),
    ("Outreach", "outreach", "pipedrive", "oauth2_code", "connected", 75, 0.01),
    ("Team chat", "team_chat", "slack", "oauth2_code", "connected", 430, 0.001),
    ("Source code", "source_code", "github", "bearer", "connected", 260, 0),
    ("Handbook", "handbook", "notion", "bearer", "connected", 35, 0),
    ("On call", "on_call", "pagerduty", "api_key", "failing", 40, 0.4),
    ("Issue tracker", "issue_tracker", "jira", "oauth2_code", "connected", 150, 0.002),
    ("HR records", "hr_records", "bamboohr", "basic", "connected", 12, 0),
    ("Identity", "identity", "okta", "api_key", "connected", 20, 0),
    ("Marketing site", "marketing_site", "webflow", "oauth2_code", "not_connected", 0, 0),
    ("Newsletter", "newsletter", "brevo", "api_key", "connected", 55, 0.01),
    ("Errors", "errors", "sentry", "bearer", "connected", 600, 0),
    ("Metrics", "metrics", "datadog", "api_key", "connected", 880, 0.001),
    ("Shared drive", "shared_drive", "google-drive", "oauth2_code", "connected", 66, 0.02),
    ("Calendars", "calendars", "google-calendar", "oauth2_code", "reconnect_needed", 18, 0.2),
    ("Files", "files", "dropbox", "oauth2_code", "not_connected", 0, 0),
    ("Text messages", "text_messages", "twilio", "basic", "connected", 140, 0.01),
    ("Parcel weather", "parcel_weather", "openweathermap", "api_key", "connected", 300, 0),
    ("Analytics", "analytics", "mixpanel", "basic", "connected", 95, 0.005),
    ("Design files", "design_files", "figma", "oauth2_code", "not_connected", 0, 0),
    ("Cache", "cache", "redis", "database", "connected", 0, 0),
    ("Legacy orders", "legacy_orders", "mysql", "database", "failing", 22, 0.55),
    ("Video calls", "video_calls", "zoom", "oauth2_code", "connected", 8, 0),
    ("Bookings", "bookings", "calendly", "bearer", "connected", 25, 0),
    ("Tables", "tables", "airtable", "bearer", "connected", 48, 0.01),
    ("Tasks", "tasks", "asana", "oauth2_code", "connected", 31, 0),
    ("Boards", "boards", "trello", "api_key", "revoked", 0, 0),
    ("Hosting", "hosting", "digitalocean", "bearer", "connected", 5, 0),
    ("DNS", "dns", "cloudflare", "bearer", "connected", 14, 0),
    ("Text model", "text_model", "openai", "bearer", "connected", 720, 0.012),
    ("Search", "search", "algolia", "api_key", "connected", 410, 0),
    ("Acme orders", "acme_orders", "acme-orders", "api_key", "connected", 130, 0.003),
    ("Acme contacts", "acme_contacts", "acme-cloud", "oauth2_code", "not_connected", 0, 0),
)
