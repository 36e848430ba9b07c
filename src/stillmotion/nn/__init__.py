"""Parts that know no method: attention, adapters, temporal modules, attention-map flow."""
