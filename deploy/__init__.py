"""What a project becomes in the cloud. Bundles, plans and checks of a deployment are not written yet."""
