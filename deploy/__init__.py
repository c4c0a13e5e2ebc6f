"""What a project becomes in the cloud. Bundles are written; plans and checks of a deployment are not yet."""
