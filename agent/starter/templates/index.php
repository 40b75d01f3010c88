<?php
// The first page of a new site.
echo « .Name | php », "\n";
