"""What every test shares: hypothesis profiles, and English sentences whatever the machine's language is."""

import os

from hypothesis import HealthCheck, settings

os.environ["LANGUAGE"] = "en"

# No deadline: a shared, slow machine is no failure. HYPOTHESIS_PROFILE=thorough looks longer for counter-examples.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("thorough", settings.get_profile("usual"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
