"""From stored samples to what people read; pandas, matplotlib and jinja2 are imported only in here."""
